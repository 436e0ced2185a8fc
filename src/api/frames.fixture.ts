import { createParser, type EventSourceMessage } from 'eventsource-parser';

/** Yields the frames of an event stream as they arrive, comments too. */
export async function* readFrames(response: Response): AsyncGenerator<EventSourceMessage, void> {
  const decoder = new TextDecoder();
  const ready: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (message) => ready.push(message),
    onComment: (text) => ready.push({ event: 'comment', data: text, id: undefined }),
  });
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* ready.splice(0);
  }
}
