/**
 * `npm run pack-test`: the package as a user gets it. Packs it, installs the tarball into an empty folder with no
 * compiler in the PATH and no install scripts, and runs every example there against the native backend; then takes the
 * prebuilt binary away and sees the reference backend load and say why it is slow. Needs a build and smollm2-135m.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { build, pull, root } from './setup.mjs'

const modelName = 'smollm2-135m'
const folder = mkdtempSync(join(tmpdir(), 'compactor-pack-'))
const say = (text) => process.stdout.write(`pack-test: ${text}\n`)

/** Runs a program and gives what it printed; a failure ends the test with all of it. */
const run = (program, args, options) => {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', ...options })
  assert.equal(status, 0, `${program} ${args.join(' ')} failed: ${error?.message ?? ''}\n${stdout}\n${stderr}`)
  return { stdout, stderr }
}

const find = (program) =>
  process.env.PATH.split(delimiter)
    .map((place) => join(place, program))
    .find((path) => existsSync(path))

/** A PATH that holds node, npm and a shell, and nothing that could compile. */
const makePath = () => {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  for (const program of ['npm', 'sh']) symlinkSync(find(program), join(bin, program))
  for (const compiler of ['g++', 'cc', 'make', 'python3']) assert.ok(!existsSync(join(bin, compiler)))
  return bin
}

/** The examples as a JavaScript user would write them, beside the files they read. */
const copyExamples = async (target) => {
  const { default: ts } = await import('typescript')
  for (const name of readdirSync(join(root, 'examples'))) {
    const source = join(root, 'examples', name)
    if (name.endsWith('.txt')) cpSync(source, join(target, name))
    if (!name.endsWith('.ts')) continue
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions })
    writeFileSync(join(target, name.replace(/\.ts$/, '.mjs')), outputText)
  }
}

try {
  build()
  pull(modelName)
  const packed = JSON.parse(
    run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: root }).stdout,
  )
  const tarball = join(folder, packed[0].filename)
  say(
    `${packed[0].filename}: ${packed[0].files.length} files, ${packed[0].size} bytes, unpacked ${packed[0].unpackedSize}`,
  )

  const app = join(folder, 'app')
  mkdirSync(app)
  const env = { ...process.env, PATH: makePath(), NODE_PATH: '', NODE_OPTIONS: '' }
  const inApp = { cwd: app, env }
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  run('npm', ['install', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', tarball], inApp)
  await copyExamples(app)

  for (const example of readdirSync(app).filter((name) => name.endsWith('.mjs'))) {
    const { stdout } = run('node', [example, modelName], inApp)
    say(`${example} ran`)
    if (example === 'ask-a-document.mjs') assert.match(stdout, /^backend: native$/m, stdout)
  }
  const version = run('node', [join('node_modules', '.bin', 'compactor'), '--version'], inApp).stdout.trim()
  assert.equal(version, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
  say(`compactor --version: ${version}`)

  const question = { qid: 'q', question: 'Where is it?', answers: ['in the hall'] }
  const line = { id: 'c', context: 'The clock hangs in the hall. '.repeat(9), questions: [question] }
  writeFileSync(join(app, 'data.jsonl'), JSON.stringify({ ...line, metric: 'contains', max_new_tokens: 8 }))
  writeFileSync(
    join(app, 'evaluate.mjs'),
    `import { evaluate, summarise, toMarkdown } from 'compactor-kv/eval'
    const options = { data: ['data.jsonl'], variants: ['random@0.5'], folder: 'results', measures: ['score'] }
    const { settings, contexts } = await evaluate({ ...options, model: '${modelName}' })
    console.log(settings.commit, toMarkdown(summarise(settings, contexts)))`,
  )
  const evaluated = run('node', ['evaluate.mjs'], inApp).stdout
  assert.match(evaluated, /^release \d[\s\S]*^\| random@0\.5 +\|/m)
  say('compactor-kv/eval measured one context')

  rmSync(join(app, 'node_modules', 'compactor-kv', 'prebuilds'), { recursive: true })
  writeFileSync(
    join(app, 'without-binary.mjs'),
    `import { createEngine } from 'compactor-kv'
    const engine = await createEngine()
    const model = await engine.loadModel('${modelName}')
    console.log(JSON.stringify({ ...engine.backend, layers: model.config.layerCount }))
    await engine.dispose()`,
  )
  const without = JSON.parse(run('node', ['without-binary.mjs'], inApp).stdout)
  assert.equal(without.name, 'reference')
  assert.match(without.reason, /slow/, `the reason does not say that it is slow: ${without.reason}`)
  assert.equal(without.layers, 30)
  say(`without the binary: ${without.name} backend, "${without.reason}"`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
