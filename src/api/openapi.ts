/** The OpenAPI document, made from the schemas the routes validate with: it cannot say anything else than they do. */
import fastifySwagger from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Api } from './api.ts';

/** Response schema of a 204. */
export const nothing = z.undefined().meta({ description: 'Done; no content.' });

/** Schemas only prose refers to: the form of errors, and the frames of streams. */
const BY_NAME = ['Problem', 'BootFrame', 'OutputFrame', 'StateFrame', 'EndFrame', 'ByeFrame'];

/** The parts of the document we change. */
interface Document {
  components?: { schemas?: Record<string, unknown> };
  paths?: Record<string, Record<string, { responses?: object }>>;
}

/** Returns the response schemas of a route that answers text of `type` (200 unless told). */
export function textOf<S extends number = 200>(type: string, description: string, status: S = 200 as S) {
  const response = { description, content: { [type]: { schema: z.string() } } };
  return { [status]: response } as Record<S, typeof response>;
}

/** Starts collecting routes; must run before the first one is added. */
export async function collectRoutes(app: Api, version: string): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version,
        description: 'Runs coding agents so that nothing that crashes can take their work away.',
        license: { name: 'MIT' },
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => {
      const named = jsonSchemaTransformObject(document) as Document;
      return addProblems(dropUnused(named));
    },
  });
}

/** Returns the document as JSON text. */
export function describeApi(app: Api): string {
  return `${JSON.stringify(app.swagger(), null, 2)}\n`;
}

/** The library makes a request and a response form of every named schema; the ones nobody refers to only confuse. */
function dropUnused(document: Document): Document {
  const components = document.components ?? {};
  const schemas = { ...components.schemas };
  for (let before = -1; before !== Object.keys(schemas).length;) {
    before = Object.keys(schemas).length;
    const text = JSON.stringify([document.paths, schemas]);
    for (const name of Object.keys(schemas)) {
      if (!BY_NAME.includes(name) && !text.includes(`"#/components/schemas/${name}"`)) delete schemas[name];
    }
  }
  return { ...document, components: { ...components, schemas } };
}

/** Every operation may answer a problem. */
function addProblems(document: Document): Document {
  const problem = {
    description: 'What went wrong and what to do about it.',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  const paths: Document['paths'] = {};
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    const operations = Object.entries(item).map(([method, operation]) => [
      method,
      { ...operation, responses: { ...operation.responses, default: problem } },
    ]);
    paths[path] = Object.fromEntries(operations);
  }
  return { ...document, paths };
}
