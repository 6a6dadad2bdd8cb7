/** The tree keeps its shape: imports go one way, and no folder or file has a name that says nothing. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * What each folder of src/ may import besides itself and the leaves. The lower folders never import each other: a model
 * is handed `attend`, a method a view, the cache scores, so that a new one of either touches its own folder only. The
 * engine puts them together. The command line is a user like any other and sees the package's entries alone.
 */
const parts = ['methods', 'models', 'cache', 'tokenizer', 'formats', 'documents', 'grammar', 'hub']
const allowed: Record<string, readonly string[]> = {
  backends: [],
  ...Object.fromEntries(parts.map((part) => [part, ['backends']])),
  engine: [...parts, 'backends'],
  'index.ts': ['engine', ...parts, 'backends'],
  eval: ['engine', ...parts, 'backends'],
  cli: ['index.ts', 'eval'],
}

/** Of these folders others see the entry only. */
const entries: Record<string, string> = { eval: 'src/eval/index.ts' }

/** Files of src/ outside every folder, but the entry: they import nothing and everybody may import them. */
const isLeaf = (file: string): boolean => dirname(file) === 'src' && file !== 'src/index.ts'

const typescriptFiles = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))

/** Relative specifiers of a file, static, dynamic and re-exported, as paths from the root. */
const importsOf = (file: string): string[] =>
  ts
    .preProcessFile(readFileSync(join(root, file), 'utf8'), true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(root, join(root, dirname(file), name)))

const partOf = (file: string): string => relative('src', file).split('/')[0] ?? ''

const complaint = (file: string, target: string): string | undefined => {
  const from = partOf(file)
  const to = partOf(target)
  if (!target.startsWith('src/')) return 'leaves src/'
  if (isLeaf(file)) return 'is a leaf and imports nothing'
  if (to === from || isLeaf(target)) return undefined
  const list = allowed[from]
  if (!list) return 'is in a folder that no rule names'
  if (entries[to] !== undefined && entries[to] !== target && list.includes(to)) return `may import ${entries[to]}`
  return list.includes(to) ? undefined : `may import ${list.join(', ') || 'nothing'}`
}

test('every import in src/ goes down the one-way chain', () => {
  const files = typescriptFiles('src').filter((file) => !/\.(test|conformance)\.ts$/.test(file))
  assert.ok(files.length > 0)
  const complaints = files.flatMap((file) =>
    importsOf(file).flatMap((target) => {
      const reason = complaint(file, target)
      return reason ? [`${file} imports ${target}: ${partOf(file)} ${reason}`] : []
    }),
  )
  assert.deepEqual(complaints, [])
})

test('the rule refuses an upward import, a sideways import and a command that reaches past the entry', () => {
  assert.match(complaint('src/cache/block.ts', 'src/engine/engine.ts') ?? '', /may import backends/)
  assert.match(complaint('src/models/llama.ts', 'src/methods/method.ts') ?? '', /may import backends/)
  assert.match(complaint('src/cli/ask.ts', 'src/engine/engine.ts') ?? '', /may import index\.ts/)
  assert.match(complaint('src/cli/eval.ts', 'src/eval/measure.ts') ?? '', /may import src\/eval\/index\.ts/)
  assert.match(complaint('src/eval/measure.ts', 'src/index.ts') ?? '', /may import engine/)
  assert.match(complaint('src/error.ts', 'src/index.ts') ?? '', /leaf/)
  assert.equal(complaint('src/engine/engine.ts', 'src/models/index.ts'), undefined)
  assert.equal(complaint('src/hub/pull.ts', 'src/error.ts'), undefined)
})

test('nothing imports a test, and only tests import from test/; scripts, benchmarks and examples are imported by nobody', () => {
  const folderOf = (file: string): string => file.split('/')[0] ?? ''
  const isTest = (file: string): boolean => /\.(test|conformance)\.ts$/.test(file) || folderOf(file) === 'test'
  const refused = (file: string, target: string): boolean => {
    if (target.endsWith('.test.ts')) return true
    if (folderOf(target) === 'test') return !isTest(file)
    return folderOf(file) !== folderOf(target) && ['bench', 'scripts', 'examples'].includes(folderOf(target))
  }
  const complaints = ['src', 'test', 'bench', 'scripts', 'examples']
    .flatMap((folder) => typescriptFiles(folder))
    .filter((file) => !file.includes('node_modules'))
    .flatMap((file) => importsOf(file).map((target) => [file, target] as const))
    .filter(([file, target]) => refused(file, target))
    .map(([file, target]) => `${file} imports ${target}`)
  assert.deepEqual(complaints, [])
})

test('no folder or file is called utils, helpers, common, core, misc, base, manager, impl or types', () => {
  const empty = /^(utils?|helpers?|common|core|misc|base|managers?|impl|types)(\.|$)/
  const names = ['src', 'kernels', 'scripts', 'test', 'bench', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(
      (name) => !name.includes('node_modules'),
    ),
  )
  assert.deepEqual(
    names.filter((name) => name.split('/').some((part) => empty.test(part))),
    [],
  )
})
