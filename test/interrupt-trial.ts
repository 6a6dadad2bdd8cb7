/**
 * Ctrl-C at random instants of pull, compress, ask and chat, each a process of its own:
 * `node --import tsx test/interrupt-trial.ts [--trials 20] [--seed 1] [--of pull,compress,ask,chat]`. After each the exit code
 * must be right, no file may be half there, and the same command must succeed from what was left. Needs smollm2-135m in the
 * home's models; the hub is one on loopback. Not part of the suite, which tries three fixed instants of each.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { homeDirectory, isContextFile, modelsDirectory } from '../src/index.ts'
import { runCommand } from './cli-process.ts'
import { fakeGguf, startLoopbackHub } from './fixtures/loopback-hub.ts'

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    of: { type: 'string', default: 'pull,compress,ask,chat' },
  },
})
let state = Number(values.seed)
const chance = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}

const passage = readFileSync(fileURLToPath(new URL('./fixtures/passage.txt', import.meta.url)), 'utf8')
const model = 'smollm2-135m'
const repo = 'someone/Tiny-GGUF'
const bytes = fakeGguf(4_000_000)
await using hub = await startLoopbackHub(repo, [{ path: 'tiny-q4_0.gguf', bytes }])
hub.behaviour = 'slowly'

interface Place {
  readonly folder: string
  readonly home: string
}

const newPlace = (): Place => {
  const root = mkdtempSync(join(tmpdir(), 'compactor-trial-'))
  const place = { folder: join(root, 'folder'), home: join(root, 'home') }
  mkdirSync(place.folder)
  mkdirSync(join(place.home, 'models'), { recursive: true })
  symlinkSync(join(modelsDirectory(homeDirectory()), `${model}.gguf`), join(place.home, 'models', `${model}.gguf`))
  writeFileSync(join(place.folder, 'a.txt'), passage)
  return place
}

const everything = ({ folder, home }: Place): string[] =>
  [folder, home].flatMap((root) => (readdirSync(root, { recursive: true }) as string[]).map((name) => join(root, name)))

/** Each file that is there must be whole; the download set aside is none that anything takes for a model. */
const complaints = async (place: Place): Promise<string[]> => {
  const files = everything(place)
  const torn = files.filter((path) => /\.tmp$|\.part-|\.new$/.test(path))
  const models = files.filter((path) => path.endsWith('tiny-q4_0.gguf') && !readFileSync(path).equals(bytes))
  const contexts = await Promise.all(
    files.map(async (path) => path.endsWith('.cctx') && !(await isContextFile(path)) && path),
  )
  return [...torn, ...models, ...contexts.filter((path) => path !== false)]
}

const commands: Readonly<Record<string, readonly string[]>> = {
  pull: ['pull', `hf:${repo}:Q4_0`],
  compress: ['compress', 'a.txt', '-m', model, '--force'],
  ask: ['ask', 'a.txt', 'What is this about?', '-m', model, '--max-tokens', '30'],
  chat: ['chat', 'a.txt', '-m', model, '--max-tokens', '30'],
}

const input = 'What is this about?\nWho is in it?\n/save said.md\n/save said.cctx\n' // only a conversation reads it

const env = { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
let failures = 0
for (const name of values.of.split(',')) {
  const words = commands[name]
  if (!words) throw new RangeError(`--of takes ${Object.keys(commands).join(', ')}, got ${name}`)
  const whole = newPlace()
  const begun = performance.now()
  await runCommand(words, whole, { env, input })
  const spanMs = performance.now() - begun
  const codes: Record<string, number> = {}
  for (let trial = 0; trial < Number(values.trials); trial++) {
    const place = newPlace()
    const afterMs = chance() * spanMs
    const { exitCode, stderr } = await runCommand(words, place, {
      env,
      input,
      onStart: (child) => setTimeout(() => child.kill('SIGINT'), afterMs),
    })
    // Before the program listens the system ends it, without a code: 130 for a shell.
    const code = exitCode ?? 130
    codes[code] = (codes[code] ?? 0) + 1
    const wrong = await complaints(place)
    if (code !== 130 && code !== 0) wrong.push(`exit code ${code}: ${stderr}`)
    for (const saved of ['said.md', 'said.cctx']) rmSync(join(place.folder, saved), { force: true }) // nothing is replaced
    const again = await runCommand(words, place, { env, input })
    if (again.exitCode !== 0) wrong.push(`the second time: ${again.stderr}`)
    wrong.push(...(await complaints(place)))
    failures += wrong.length > 0 ? 1 : 0
    for (const line of wrong) console.log(`${name} after ${afterMs.toFixed(0)} ms: ${line}`)
    rmSync(join(place.folder, '..'), { recursive: true })
  }
  rmSync(join(whole.folder, '..'), { recursive: true })
  const told = Object.entries(codes).map(([code, count]) => `${count} with ${code}`)
  console.log(`${name}: ${values.trials} interrupts in ${spanMs.toFixed(0)} ms, ended ${told.join(', ')}`)
}
console.log(failures === 0 ? 'no half file, and every command succeeded afterwards' : `${failures} trials failed`)
process.exit(failures === 0 ? 0 : 1)
