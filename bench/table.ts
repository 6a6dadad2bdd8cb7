/** How a benchmark shows what it found: a Markdown table on stdout (it goes into the lab book as it is) and a JSON file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Machine, machine } from '../src/eval/machine.ts'

export { markdownTable as table } from '../src/eval/markdown-table.ts'

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}

/** "23.4 (21.0 … 24.1)": median, smallest, largest. */
export const spread = (values: readonly number[], digits = 1): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} … ${Math.max(...values).toFixed(digits)})`

/** bench/results/NAME-LABEL.json with the machine, the commit and the command; gives the path. */
export const writeResult = (name: string, label: string, result: object): string => {
  const folder = new URL('results/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  const path = fileURLToPath(new URL(`${name}-${label}.json`, folder))
  const command = `npm run bench ${name} -- ${process.argv.slice(3).join(' ')}`.trim()
  const made: { machine: Machine; command: string; date: string } = {
    machine: machine(),
    command,
    date: new Date().toISOString().slice(0, 10),
  }
  writeFileSync(path, `${JSON.stringify({ ...made, ...result }, undefined, 2)}\n`)
  return path
}
