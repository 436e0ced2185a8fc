import type { LeaseView, LockView } from '../api/contract.ts';
import type { View } from './job-view.ts';
import { cleanLine } from './sanitise.ts';
import { renderTable, type Cell, type Column } from './table.ts';
import { relativeTime } from './times.ts';

/** Returns the table of `holdfast locks`. */
export function renderLocks(locks: readonly LockView[], view: View): string {
  const columns: Column[] = [
    { title: 'LOCK' },
    { title: 'HOLDER' },
    { title: 'SINCE' },
    { title: 'OPERATION', flexible: true },
  ];
  const rows = locks.map((lock): (Cell | string)[] => [
    cleanLine(lock.key),
    lock.holder === null ? '–' : `pid ${lock.holder.pid}`,
    { text: lock.acquiredAt === null ? '–' : relativeTime(lock.acquiredAt, view.now), style: view.colours.dim },
    lock.damaged === null
      ? cleanLine(lock.operation ?? '–')
      : {
          text: cleanLine(`damaged: ${lock.damaged} → holdfast locks clear ${lock.key}`),
          style: view.colours.yellow,
        },
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}

/** Returns the table of `holdfast leases`. */
export function renderLeases(leases: readonly LeaseView[], view: View): string {
  const columns: Column[] = [
    { title: 'JOB', align: 'right' },
    { title: 'LEASE', flexible: true },
    { title: 'REPOSITORIES' },
    { title: 'CLAIM', align: 'right' },
    { title: 'HOLDER' },
    { title: 'SINCE' },
    { title: 'WAITING', flexible: true },
  ];
  const rows = leases.map((lease): (Cell | string)[] => [
    String(lease.number),
    cleanLine(lease.paths === null ? lease.key : `${lease.key} ${lease.paths.join(', ')}`),
    cleanLine(lease.repositories.join(', ')),
    String(lease.fence),
    lease.holder === null ? (lease.atWork ? 'server' : '–') : `pid ${lease.holder.pid}`,
    { text: lease.acquiredAt === null ? '–' : relativeTime(lease.acquiredAt, view.now), style: view.colours.dim },
    lease.waiting.length === 0 ? '' : `job ${lease.waiting.join(', ')}`,
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}
