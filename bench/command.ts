/** `compactor` in a process of its own, as a user calls it. Needs a build (`npm run build`). */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const commandPath: string = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** What it printed. `home`: where it keeps models and measurements, default the user's. Throws if it ended with an error. */
export const compactor = (args: readonly string[], home?: string): string => {
  const env = home === undefined ? process.env : { ...process.env, COMPACTOR_HOME: home }
  const { stdout, stderr, status } = spawnSync(process.execPath, [commandPath, ...args], { encoding: 'utf8', env })
  if (status !== 0) throw new Error(`compactor ${args.join(' ')} ended with status ${status}: ${stderr}`)
  return stdout
}
