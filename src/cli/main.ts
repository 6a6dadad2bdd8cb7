#!/usr/bin/env node
/**
 * The command line's entry. The engine's worker loads its modules on a second processor while the program loads its own,
 * so it is started before anything else; whether the command then computes is for the program to find out.
 */
import { startWorkerAhead } from '../start-worker.ts'

const [command = '', ...flags] = process.argv.slice(2)
const computes = /^(ask|chat|compress|estimate|extract)$/.test(command)
if (computes && !flags.includes('--help') && !flags.includes('-h'))
  startWorkerAhead(import.meta.url, '../engine/worker')
await import('./program.ts')
