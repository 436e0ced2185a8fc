/**
 * Imported into a watched server before anything else: keepers are started from the program the server runs as, and
 * with none of its variables, so a watched keeper needs a program of its own that puts them back.
 */
const program = process.env['LAB_KEEPER_PROGRAM'];
if (program !== undefined) process.execPath = program;
