/** Where Compactor keeps things on this machine: `models/` and `contexts/` under one home. Decides paths, reads nothing. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export type Environment = Readonly<Record<string, string | undefined>>

/** COMPACTOR_HOME, else `~/.compactor`; absolute. */
export const homeDirectory = (env: Environment = process.env): string =>
  env.COMPACTOR_HOME ? resolve(env.COMPACTOR_HOME) : join(homedir(), '.compactor')

export const modelsDirectory = (home: string): string => join(home, 'models')

export const contextsDirectory = (home: string): string => join(home, 'contexts')
