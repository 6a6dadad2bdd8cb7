/**
 * Peak memory of `compactor compress`, above idle Node and the weights. Measured from outside: the anonymous resident
 * memory of the process (RssAnon in /proc/PID/status: heap, stacks, buffers, but no page of a mapped file, so neither the
 * mapped weights nor Node's own code), sampled every 5 ms, less that of a Node that only waits. Linux only.
 *
 *   npm run bench memory -- [--model qwen2.5-coder-0.5b] [--tokens 8000] [--keep 0.25] [--threads 2]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { commandPath } from './command.ts'
import { documentOf } from './document.ts'
import { table, writeResult } from './table.ts'

const sampleMs = 5

/** Resident anonymous memory in bytes; undefined once the process is gone. */
const anonymousBytes = (pid: number): number | undefined => {
  try {
    const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return undefined
    throw error
  }
}

/** Runs node until it ends, or for `ms`; gives the largest sample. */
const peak = async (
  args: readonly string[],
  ms = Number.POSITIVE_INFINITY,
): Promise<{ bytes: number; seconds: number }> => {
  const start = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit') as Promise<[number | null]>
  let bytes = 0
  while (child.exitCode === null && performance.now() - start < ms) {
    bytes = Math.max(bytes, anonymousBytes(child.pid ?? 0) ?? 0)
    await wait(sampleMs)
  }
  if (child.exitCode === null) child.kill()
  const [code] = await ended
  if (code !== 0 && ms === Number.POSITIVE_INFINITY) throw new Error(`node ${args.join(' ')} ended with status ${code}`)
  return { bytes, seconds: (performance.now() - start) / 1000 }
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '8000' },
      keep: { type: 'string', default: '0.25' },
      threads: { type: 'string', default: '2' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'compactor-memory-'))
  const input = join(folder, 'document.txt')
  const output = join(folder, 'document.cctx')
  try {
    writeFileSync(input, documentOf(values.model, Number(values.tokens)))
    const idle = await peak(['-e', 'setTimeout(() => {}, 60000)'], 2000)
    const flags = ['-m', values.model, '--keep', values.keep, '--threads', values.threads]
    const compress = await peak([commandPath, 'compress', input, '-o', output, ...flags])
    const aboveBytes = compress.bytes - idle.bytes
    const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)
    process.stdout.write(`${values.model}, ${values.tokens} tokens, keep ${values.keep}; ${machineLine(machine())}\n`)
    const rows = [
      ['compactor compress, peak', megabytes(compress.bytes)],
      ['node that waits', megabytes(idle.bytes)],
      ['above it', megabytes(aboveBytes)],
    ]
    process.stdout.write(`${table(['anonymous resident memory', 'MB'], rows)}\n`)
    const result = {
      model: values.model,
      tokens: Number(values.tokens),
      keep: values.keep,
      sampleMs,
      idle,
      compress,
      aboveBytes,
    }
    process.stdout.write(`${writeResult('memory', `${values.model}-${values.tokens}`, result)}\n`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
