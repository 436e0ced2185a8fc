import { DatabaseSync } from 'node:sqlite';
import type { World } from './world.ts';

/** Changes a row behind the store's back, as a flipped bit or a careless hand would. */
export function tamper(world: World, sql: string): void {
  const database = new DatabaseSync(world.home.database);
  database.exec(sql);
  database.close();
}
