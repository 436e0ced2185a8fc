'use strict';
// Runs on any Node, also on one that cannot read the rest: every npm script asks it first.
var major = Number(process.versions.node.split('.')[0]);
if (!(major >= 24)) {
  console.error(
    'Holdfast needs Node 24 or newer; this is Node ' +
      process.versions.node +
      ' (' +
      process.execPath +
      ').\n' +
      'Run `npm ci`: it brings the pinned Node 24, which the npm scripts then use.\n' +
      'After `npm ci --ignore-scripts` run `npm rebuild node && npm run prepare`. Or install Node 24.',
  );
  process.exit(1);
}
