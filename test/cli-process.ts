/** Runs the command line as a user does: another process, a folder and a home of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { modelPath } from './models.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Whether dist/ was built after the last change to a source: it starts faster, and it is what is published. */
const isBuilt = (): boolean => {
  const built = statSync(join(root, 'dist/cli/main.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return sources
    .filter((name) => name.endsWith('.ts') && !/\.(test|conformance)\.ts$/.test(name))
    .every((name) => statSync(join(root, 'src', name)).mtimeMs <= built)
}

/** What node is given to run it: the build when it is current, else the sources. */
export const commandLine: readonly string[] = isBuilt()
  ? [join(root, 'dist/cli/main.js')]
  : ['--import', import.meta.resolve('tsx'), join(root, 'src/cli/main.ts')]

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

export interface Outcome {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Buffer
  /** Standard input does not end. Whoever asks for that gives `timeoutMs` too. */
  readonly isInputOpen?: boolean
  /** Killed after that; its exit code is null then. */
  readonly timeoutMs?: number
  /** In a process group of its own, as a shell starts what it runs: a signal to the group reaches what it has started too. */
  readonly isGroup?: boolean
  /** Called with the process once it runs, and its outputs so far whenever there is more. */
  readonly onStart?: (child: ChildProcess) => void
  readonly onOutput?: (child: ChildProcess, soFar: { stdout: string; stderr: string }) => void
}

export interface Place {
  readonly folder: string // working folder
  readonly home: string
  /** Two tiny models of different architectures, 512 tokens of trained context, random weights. */
  readonly llama: string
  readonly qwen2: string
  run(words: readonly string[], options?: RunOptions): Promise<Outcome>
}

/** An empty folder to work in and an empty home beside it; `models` of the real ones are put into the home. */
export const newPlace = (test: TestContext, { models = [] }: { readonly models?: readonly string[] } = {}): Place => {
  const root = temporaryFolder(test)
  const [folder, home] = [join(root, 'folder'), join(root, 'home')]
  mkdirSync(folder)
  mkdirSync(join(home, 'models'), { recursive: true })
  for (const model of models) symlinkSync(modelPath(model), join(home, 'models', `${model}.gguf`))
  const [llama, qwen2] = [join(root, 'llama.gguf'), join(root, 'qwen2.gguf')]
  copyFileSync(fixture('toy-llama.gguf'), llama)
  copyFileSync(fixture('toy-qwen2.gguf'), qwen2)
  return { folder, home, llama, qwen2, run: (words, options) => runCommand(words, { folder, home }, options) }
}

/** With an environment that reaches no network. */
export const runCommand = (
  words: readonly string[],
  place: { folder: string; home: string },
  options: RunOptions = {},
): Promise<Outcome> => {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [...commandLine, ...words], {
    cwd: place.folder,
    env: { PATH, HOME, COMPACTOR_HOME: place.home, HF_HUB_OFFLINE: '1', PIP_NO_INDEX: '1', ...options.env },
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    detached: options.isGroup ?? false,
  })
  const seen = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      seen[name] += text
      options.onOutput?.(child, seen)
    })
  child.stdin.on('error', () => undefined) // a command that reads nothing may be gone before we have written
  if (options.isInputOpen) child.stdin.write(options.input ?? '')
  else child.stdin.end(options.input ?? '')
  options.onStart?.(child)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode) => resolve({ exitCode, ...seen }))
  })
}
