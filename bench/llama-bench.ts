/**
 * llama.cpp's own benchmark as a peer: the program that `--llama-bench PATH` names, built by whoever measures. It reads tokens
 * of its own making, so that only rates can be compared. Not here: when it is called and what it is compared with.
 */
import { spawnSync } from 'node:child_process'

export interface LlamaBenchJob {
  readonly modelPath: string
  readonly tokenCount: number
  readonly decodeCount: number
  readonly threads: number
  readonly flashAttention: boolean
  readonly cacheType?: 'q8_0'
}

/** Throws RangeError unless PATH is a llama-bench that knows `--n-depth` (2025 or later). */
export const checkLlamaBench = (path: string): void => {
  const { stdout, status, error } = spawnSync(path, ['--help'], { encoding: 'utf8' })
  if (!error && status === 0 && stdout.includes('--n-depth')) return
  const came = error ? `it cannot be run: ${error.message}` : 'what runs there does not know --n-depth'
  throw new RangeError(
    `--llama-bench must be the path of llama.cpp's llama-bench of 2025 or later, got ${path}: ${came}`,
  )
}

/** Two calls, because decoding is to begin behind as many tokens as prefill reads, and prefill behind none. */
export const runLlamaBench = (
  path: string,
  job: LlamaBenchJob,
): { readonly prefillPerSecond: number; readonly decodePerSecond: number } => {
  const { modelPath, tokenCount, decodeCount, threads, flashAttention, cacheType } = job
  const settings = ['-m', modelPath, '-t', `${threads}`, '-ngl', '0', '-fa', flashAttention ? '1' : '0', '-r', '1']
  if (cacheType) settings.push('-ctk', cacheType, '-ctv', cacheType)
  const call = (test: readonly string[]): string => {
    const { stdout, stderr, status } = spawnSync(path, [...settings, ...test, '-o', 'json'], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${path} ended with status ${status}: ${stderr.slice(-2000)}`)
    return stdout
  }
  return {
    prefillPerSecond: rateOf(call(['-p', `${tokenCount}`, '-n', '0']), { n_prompt: tokenCount, n_gen: 0, n_depth: 0 }),
    decodePerSecond: rateOf(call(['-p', '0', '-n', `${decodeCount}`, '-d', `${tokenCount}`]), {
      n_prompt: 0,
      n_gen: decodeCount,
      n_depth: tokenCount,
    }),
  }
}

/** Tokens per second of the one test that was asked for. Throws where the output tells of another. */
export const rateOf = (
  output: string,
  asked: { readonly n_prompt: number; readonly n_gen: number; readonly n_depth: number },
): number => {
  const tests = JSON.parse(output) as readonly Record<string, unknown>[]
  const test = tests.find((one) => Object.entries(asked).every(([key, value]) => one[key] === value))
  const rate = test?.avg_ts
  if (typeof rate === 'number' && rate > 0) return rate
  throw new Error(
    `llama-bench was asked for ${JSON.stringify(asked)} and gave no rate of that: ${output.slice(0, 500)}`,
  )
}
