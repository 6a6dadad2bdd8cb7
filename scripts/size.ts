/**
 * `npm run size`: lines per folder and the ten longest functions; fails when a file or function has grown past the
 * point where it must be split. TypeScript is measured by its own parser, C++ by counting braces.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const limits = { file: 500, function: 60, kernel: 100, longShare: 0.015 }

interface Piece {
  readonly name: string
  readonly file: string
  readonly lineCount: number
}

const root = fileURLToPath(new URL('..', import.meta.url))

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => /\.(ts|mjs|cc|h)$/.test(file) && !file.includes('node_modules'))

const lineCount = (text: string): number => text.split('\n').length - (text.endsWith('\n') ? 1 : 0)

/**
 * Functions by their own name or the name of what holds them; bodies of test() and describe() are tests, not functions.
 * What a function inside a function takes is counted there and not in its holder, so a table of closures is no giant.
 */
const typescriptFunctions = (file: string, text: string): Piece[] => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Piece[] = []
  const line = (position: number): number => source.getLineAndCharacterOfPosition(position).line
  /** Lines after the first of all functions in `node`, those inside them included. */
  const visit = (node: ts.Node): number => {
    let inner = 0
    ts.forEachChild(node, (child) => {
      inner += visit(child)
    })
    if (!ts.isFunctionLike(node) || !('body' in node) || !node.body || isTestBody(node)) return inner
    const name = functionName(node, source)
    const total = line(node.end) - line(node.getStart(source)) + 1
    if (name !== unnamed || total > 1) found.push({ name, file, lineCount: total - inner })
    return total - 1
  }
  visit(source)
  return found
}

// A callback on one line is an expression, not a function: counting it would flatter the median and the share.
const unnamed = '(unnamed)'

const isTestBody = (node: ts.Node): boolean =>
  ts.isCallExpression(node.parent) &&
  ts.isIdentifier(node.parent.expression) &&
  ['test', 'describe', 'it'].includes(node.parent.expression.text)

const functionName = (node: ts.SignatureDeclaration, source: ts.SourceFile): string => {
  if (node.name) return node.name.getText(source)
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  const { parent } = node
  if ((ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) && parent.name)
    return parent.name.getText(source)
  return unnamed
}

/** A block that opens after a closing parenthesis outside every function is a function's body. */
const kernelFunctions = (file: string, text: string): Piece[] => {
  const found: Piece[] = []
  const lines = withoutLiterals(text).split('\n')
  let depth = 0
  let open: { name: string; depth: number; line: number } | undefined
  let header = '' // text since the last ; { or }, which holds the signature
  let headerLine = 0
  for (const [index, line] of lines.entries()) {
    for (const character of line) {
      if (header.trim() === '') headerLine = index
      if (character === '{') {
        const name = /([\w:~]+)\s*\([^;]*\)[^()=]*$/.exec(header)?.[1]
        if (!open && name && !/\b(namespace|struct|class|enum|union)\b[^()]*$/.test(header))
          open = { name, depth, line: headerLine }
        depth++
      } else if (character === '}') {
        depth--
        if (open && depth === open.depth) {
          found.push({ name: open.name, file, lineCount: index - open.line + 1 })
          open = undefined
        }
      }
      header = '{};'.includes(character) ? '' : header + character
    }
    header += ' '
  }
  return found
}

/** Comments, strings and preprocessor lines blanked, line breaks kept. */
const withoutLiterals = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/\/\/.*$/gm, '')
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)'/g, '0')
    .replace(/^\s*#(?:.*\\\n)*.*$/gm, (lines) => lines.replace(/[^\n]/g, ''))

const folders = ['src', 'kernels', 'scripts', 'bench', 'test', 'examples']
const files: Piece[] = []
const functions: Piece[] = []
for (const file of folders.flatMap(sources)) {
  const text = readFileSync(join(root, file), 'utf8')
  files.push({ name: file, file, lineCount: lineCount(text) })
  functions.push(...(/\.(cc|h)$/.test(file) ? kernelFunctions(file, text) : typescriptFunctions(file, text)))
}

const isTest = ({ file }: Piece): boolean => /\.(test|conformance)\.ts$/.test(file)
const isKernel = ({ file }: Piece): boolean => file.startsWith('kernels')
const folderOf = ({ file }: Piece): string =>
  file
    .split('/')
    .slice(0, file.startsWith('src') ? 2 : 1)
    .join('/')
const sum = (pieces: readonly Piece[]): number => pieces.reduce((total, piece) => total + piece.lineCount, 0)
const row = (cells: readonly (string | number)[]): string =>
  cells.map((cell, column) => (column === 0 ? String(cell).padEnd(24) : String(cell).padStart(10))).join('')

const print = (text: string): unknown => process.stdout.write(`${text}\n`)
print(row(['folder', 'files', 'lines', 'tests']))
for (const folder of new Set(files.map(folderOf))) {
  const pieces = files.filter((piece) => folderOf(piece) === folder)
  const tests = pieces.filter(isTest)
  print(row([folder, pieces.length, sum(pieces) - sum(tests), sum(tests)]))
}
print(row(['all', files.length, sum(files) - sum(files.filter(isTest)), sum(files.filter(isTest))]))

functions.sort((a, b) => b.lineCount - a.lineCount)
const long = functions.filter((piece) => piece.lineCount > limits.function)
const median = functions[Math.floor(functions.length / 2)]?.lineCount ?? 0
print(`\n${functions.length} functions, median ${median} lines, ${long.length} over ${limits.function}; the longest:`)
for (const { name, file, lineCount } of functions.slice(0, 10))
  print(`${String(lineCount).padStart(5)}  ${name}  ${file}`)

const problems = [
  ...files
    .filter((piece) => piece.lineCount > limits.file)
    .map((p) => `${p.file} has ${p.lineCount} lines, at most ${limits.file}`),
  ...functions
    .filter((piece) => piece.lineCount > (isKernel(piece) ? limits.kernel : limits.function))
    .map(
      (p) =>
        `${p.name} in ${p.file} has ${p.lineCount} lines, at most ${isKernel(p) ? limits.kernel : limits.function}`,
    ),
  ...(long.length > functions.length * limits.longShare
    ? [
        `${long.length} of ${functions.length} functions are over ${limits.function} lines, at most ${limits.longShare * 100} %`,
      ]
    : []),
]
for (const problem of problems) process.stderr.write(`too long: ${problem}\n`)
process.exitCode = problems.length > 0 ? 1 : 0
