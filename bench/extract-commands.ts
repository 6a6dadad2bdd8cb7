/** The same comparison as `extract.ts`, as a shell sees it: one `compactor extract` against a `compactor ask` for each field. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { questionOf } from '../src/engine/extract.ts'
import type { JsonSchema } from '../src/index.ts'
import { compactor } from './command.ts'

export interface CommandJob {
  readonly model: string // file
  readonly keep: string
  readonly threads: string
  readonly document: string
  readonly fields: { readonly properties: Readonly<Record<string, JsonSchema>> }
  readonly rounds: number
}

export interface CommandTimes {
  readonly together: number[] // seconds
  readonly alone: number[]
  readonly values: { together: Values; alone: Values } // of the last round
}

type Values = Readonly<Record<string, unknown>>

const timed = <T>(work: () => T): readonly [T, seconds: number] => {
  const begun = performance.now()
  return [work(), (performance.now() - begun) / 1000]
}

/** The document is compressed once, before anything is timed; then the two ways take turns. */
export const extractCommands = ({ model, keep, threads, document, fields, rounds }: CommandJob): CommandTimes => {
  const folder = mkdtempSync(join(tmpdir(), 'compactor-extract-'))
  const written = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }
  const schema = (name: string, value: unknown): string => written(name, JSON.stringify(value))
  try {
    const context = join(folder, 'document.cctx')
    const flags = ['-m', model, '--threads', threads]
    compactor(['compress', written('document.txt', document), '-o', context, '--keep', keep, ...flags])
    const all = schema('fields.json', fields)
    const each = Object.entries(fields.properties).map(([name, rule], i) => ({
      name,
      args: [
        'ask',
        context,
        questionOf(name, rule, true),
        '--schema',
        schema(`${i}.json`, rule),
        '--max-tokens',
        '128',
      ],
    }))
    const times: CommandTimes = { together: [], alone: [], values: { together: {}, alone: {} } }
    for (let round = 0; round < rounds; round++) {
      const [alone, aloneSeconds] = timed(() =>
        Object.fromEntries(each.map(({ name, args }) => [name, JSON.parse(compactor([...args, ...flags]))])),
      )
      const [together, seconds] = timed(() => JSON.parse(compactor(['extract', context, '--schema', all, ...flags])))
      times.alone.push(aloneSeconds)
      times.together.push(seconds)
      Object.assign(times.values, { together, alone })
    }
    return times
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
