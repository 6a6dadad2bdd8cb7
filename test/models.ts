/** Real models for tests: where they lie, and which of them this run is about. `npm test` gets them first. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** smollm2-135m, or what COMPACTOR_TEST_MODELS lists, separated by commas. Tests of other models are not registered. */
export const testModels: readonly string[] = (process.env.COMPACTOR_TEST_MODELS ?? 'smollm2-135m').split(',')

/** Throws when the model is not there: a test that needs it must fail, not pass by doing nothing. */
export const modelPath = (name: string): string => {
  const path = join(process.env.COMPACTOR_HOME ?? join(homedir(), '.compactor'), 'models', `${name}.gguf`)
  if (existsSync(path)) return path
  throw new Error(`this test needs the model ${name} at ${path}; get it with: npx compactor pull ${name}`)
}
