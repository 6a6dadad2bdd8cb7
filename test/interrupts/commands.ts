/** What is interrupted: four commands, each in a folder and a home of its own, and what each leaves when nobody disturbs it. */
import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { homeDirectory, modelsDirectory } from '../../src/index.ts'
import { type Outcome, type RunOptions, runCommand } from '../cli-process.ts'
import { fakeGguf, type HubFixtureFile, type LoopbackHub } from '../fixtures/loopback-hub.ts'

const model = 'smollm2-135m'
const question = 'What is this about?'
const passage = readFileSync(fileURLToPath(new URL('../fixtures/passage.txt', import.meta.url)), 'utf8')

export const repo = 'someone/Tiny-GGUF'
export const served: HubFixtureFile = { path: 'tiny-q4_0.gguf', bytes: fakeGguf(4_000_000) }

export interface Place {
  readonly root: string
  readonly folder: string // working folder
  readonly home: string
}

/** In `root`, or in a new temporary folder. */
export const newPlace = (root: string = mkdtempSync(join(tmpdir(), 'compactor-interrupts-'))): Place => {
  const place = { root, folder: join(root, 'folder'), home: join(root, 'home') }
  mkdirSync(place.folder)
  mkdirSync(join(place.home, 'models'), { recursive: true })
  symlinkSync(join(modelsDirectory(homeDirectory()), `${model}.gguf`), join(place.home, 'models', `${model}.gguf`))
  writeFileSync(join(place.folder, 'a.txt'), passage)
  return place
}

export const removePlace = ({ root }: Place): void => rmSync(root, { recursive: true, force: true })

/** Paths below the place, without its folders. */
export const filesIn = ({ root, folder, home }: Place): string[] =>
  [folder, home].flatMap((from) =>
    (readdirSync(from, { recursive: true }) as string[])
      .map((path) => join(basename(from), path))
      .filter((path) => !statSync(join(root, path)).isDirectory()),
  )

export const commandNames = ['pull', 'compress', 'ask', 'chat'] as const
export type CommandName = (typeof commandNames)[number]

const wordsOf: Readonly<Record<CommandName, readonly string[]>> = {
  pull: ['pull', `hf:${repo}:Q4_0`],
  compress: ['compress', 'a.txt', '-m', model, '--force'],
  ask: ['ask', 'a.txt', question, '-m', model, '--max-tokens', '60'],
  chat: ['chat', 'a.txt', '-m', model, '--max-tokens', '40'],
}

const turns = [question, 'Who is in it?', '/save --force said.md', '/save --force said.cctx', 'Where does it happen?']
const input = `${[...turns, '/save --force said.md'].join('\n')}\n`

/** A command as it runs undisturbed. */
export interface Whole {
  readonly name: CommandName
  readonly place: Place
  readonly spanMs: number
  /** Without what is different each time: the times that compress tells, the paths that pull tells. */
  readonly said: string | undefined
  readonly files: readonly string[]
  readonly writtenBytes: number
  /** What a context that it writes answers. */
  readonly answer: string
  readonly run: (place: Place, options?: RunOptions) => Promise<Outcome>
}

const saidBy = (name: CommandName, { stdout }: Outcome): string | undefined =>
  name === 'ask' || name === 'chat' ? stdout : undefined

/** From a file; the home is one that nothing is tried in. */
const answerOf = async (context: string, { folder, home }: Place): Promise<string> => {
  const { exitCode, stdout, stderr } = await runCommand(['ask', context, question, '--max-tokens', '3'], {
    folder,
    home,
  })
  return exitCode === 0 ? stdout : stderr
}

const contextIn = ({ root }: Place, files: readonly string[]): string | undefined => {
  const found = files.find((path) => path.endsWith('.cctx'))
  return found === undefined ? undefined : join(root, found)
}

/** Runs it twice, in two places: the second time tells how long it takes, and both must come to the same. */
export const runWhole = async (name: CommandName, hub: LoopbackHub): Promise<Whole> => {
  const env = { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
  const run: Whole['run'] = (place, options = {}) => runCommand(wordsOf[name], place, { env, input, ...options })
  const once = async () => {
    const place = newPlace()
    const begun = performance.now()
    const outcome = await run(place)
    assert.equal(outcome.exitCode, 0, `${name}, undisturbed: ${outcome.stderr}`)
    return { place, said: saidBy(name, outcome), files: filesIn(place), spanMs: performance.now() - begun }
  }
  const [first, second] = [await once(), await once()]
  assert.deepEqual([second.said, second.files], [first.said, first.files], `${name} comes to the same every time`)
  removePlace(first.place)
  const { place, files } = second
  const context = contextIn(place, files)
  const writtenBytes = files
    .filter((path) => !/a\.txt$|smollm2/.test(path))
    .reduce((sum, path) => sum + statSync(join(place.root, path)).size, 0)
  return { name, run, ...second, writtenBytes, answer: context === undefined ? '' : await answerOf(context, place) }
}

const isTranscript = (text: string): boolean =>
  /^# A conversation about a\.txt\n\n.+\n(\n\*\*You\*\*\n\n.+\n\n\*\*smollm2-135m\*\*\n\n[\s\S]*?\n)*$/.test(text)

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What is wrong with the files that are there: each must be whole, and one that an undisturbed run leaves. */
export const filesWrong = async (place: Place, whole: Whole): Promise<string[]> => {
  const wrong: string[] = []
  for (const path of filesIn(place)) {
    const isAside = path.startsWith(join('home', 'models', '.resume-')) && whole.name === 'pull'
    if (!whole.files.includes(path) && !isAside) wrong.push(`${path} is left over`)
    const full = join(place.root, path)
    const text = (): string => readFileSync(full, 'utf8')
    const isWhole = path.endsWith('.json')
      ? isJson(text())
      : path.endsWith('.md')
        ? isTranscript(text())
        : path.endsWith('.cctx')
          ? (await answerOf(full, whole.place)) === whole.answer
          : path.endsWith(served.path)
            ? readFileSync(full).equals(served.bytes)
            : true
    if (!isWhole) wrong.push(`${path} is not whole`)
  }
  return wrong
}

/** What is wrong once the command has run to its end. */
export const endWrong = async (place: Place, whole: Whole, outcome: Outcome): Promise<string[]> => {
  const { exitCode, stderr } = outcome
  if (exitCode !== 0) return [`exit code ${exitCode}: ${stderr.trim()}`]
  const missing = whole.files.filter((path) => !filesIn(place).includes(path)).map((path) => `${path} is missing`)
  return [...(saidBy(whole.name, outcome) === whole.said ? [] : ['it said something else']), ...missing]
}

/** Again, from what was left there. */
export const againWrong = async (place: Place, whole: Whole): Promise<string[]> => {
  const wrong = await endWrong(place, whole, await whole.run(place))
  const aside = filesIn(place).filter((path) => path.includes('.resume-'))
  const left = aside.map((path) => `${path} is still there`)
  return [...wrong, ...left, ...(await filesWrong(place, whole))].map((line) => `the next run: ${line}`)
}
