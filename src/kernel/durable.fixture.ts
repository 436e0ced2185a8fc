/** A process of its own for the races of durable.test.ts: `ROLE DIRECTORY …`, started with a channel to its parent. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createDurable, createDurableSync, makeDirectory, makeDirectorySync, writeDurableSync } from './durable.ts';

const [role = '', dir = '', name = '', rounds = '0'] = process.argv.slice(2);

if (role === 'directory') {
  if (process.getuid?.() === 0) {
    process.setgid?.(Number(name));
    process.setuid?.(Number(name));
  }
  makeDirectorySync(dir);
  await makeDirectory(dir);
  process.disconnect();
} else {
  process.send?.('ready');
  await once(process, 'message');
  if (role === 'create') {
    const won: number[] = [];
    for (let round = 0; round < Number(rounds); round++) {
      const path = join(dir, String(round));
      const create = round % 2 === 0 ? createDurableSync : createDurable;
      if (await create(path, name.repeat(20_000))) won.push(round);
    }
    process.send?.(won);
    process.disconnect();
  } else {
    for (let round = 0; ; round++) {
      writeDurableSync(join(dir, name), String(round % 10).repeat(50_000));
      if (round === 0) process.send?.('written');
    }
  }
}
