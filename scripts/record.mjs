/**
 * `node scripts/record.mjs`: runs the commands below for real, in an empty folder beside a copy of the example document, and
 * draws what they printed, line by line when it came, as docs/session.svg. Needs a build and qwen2.5-coder-0.5b. Waits above
 * two seconds are shortened; how long they really were is written beside the prompt.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './setup.mjs'

const commands = [
  ['compress', 'document.txt'],
  ['ask', 'document.cctx', 'What is the name of the station dog?', '--sources', '1'],
  ['ask', 'document.cctx', 'What is the name of the mechanic?', '--stats'],
  ['inspect', 'context', 'document.cctx'],
]

const [fontSize, lineHeight, columns, longestWait] = [13, 18, 108, 2]

/** Lines with the seconds, from the command's start, at which each was complete. */
const run = (args, folder) =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const env = { ...process.env, NO_COLOR: '1' }
    const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { cwd: folder, env })
    const lines = []
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ''
      stream.setEncoding('utf8').on('data', (text) => {
        const parts = (rest + text).split('\n')
        rest = parts.pop() ?? ''
        for (const line of parts) lines.push({ line, seconds: (performance.now() - start) / 1000 })
      })
    }
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`compactor ${args.join(' ')} ended with ${code}: ${lines.at(-1)?.line}`))
      else resolve({ lines, seconds: (performance.now() - start) / 1000 })
    })
  })

const quoted = (word) => (/^[\w./-]+$/.test(word) ? word : `"${word}"`)
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const wrapped = (line) => {
  const rows = []
  for (let rest = line; ; rest = `    ${rest.slice(columns).trimStart()}`) {
    rows.push(rest.slice(0, columns))
    if (rest.length <= columns) return rows
  }
}

const folder = mkdtempSync(join(tmpdir(), 'compactor-record-'))
const rows = []
let clock = 0.5
try {
  copyFileSync(join(root, 'examples/document.txt'), join(folder, 'document.txt'))
  for (const args of commands) {
    const { lines, seconds } = await run(args, folder)
    const command = ['compactor', ...args].map(quoted).join(' ')
    rows.push({ text: `$ ${command}`, at: clock, note: `${seconds.toFixed(1)} s` })
    const squeeze = Math.min(1, longestWait / seconds)
    for (const { line, seconds: at } of lines)
      for (const text of wrapped(line)) rows.push({ text, at: clock + 0.4 + at * squeeze })
    clock += 1.6 + seconds * squeeze
    rows.push({ text: '', at: clock })
  }
} finally {
  rmSync(folder, { recursive: true })
}

const height = 24 + rows.length * lineHeight
const width = 24 + columns * fontSize * 0.602
const texts = rows.map(({ text, at, note }, i) => {
  const y = 26 + i * lineHeight
  const delay = `style="animation-delay:${at.toFixed(1)}s"`
  const time =
    note === undefined ? '' : `<text class="t" x="${width - 12}" y="${y}" text-anchor="end" ${delay}>${note}</text>`
  const kind = note === undefined ? '' : ' class="c"'
  return `<text${kind} x="12" y="${y}" xml:space="preserve" ${delay}>${escaped(text)}</text>${time}`
})
const style = `text{font:${fontSize}px ui-monospace,Menlo,Consolas,monospace;fill:#d6dbe0;opacity:0;animation:a .01s linear forwards}.c{fill:#8fd19e;font-weight:bold}.t{fill:#8a939c}@keyframes a{to{opacity:1}}@media (prefers-reduced-motion:reduce){text{opacity:1;animation:none}}`
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width.toFixed(0)} ${height}" role="img" aria-label="A terminal session: ${escaped(commands.map((args) => `compactor ${args[0]}`).join(', '))}"><style>${style}</style><rect width="100%" height="100%" rx="6" fill="#1c2126"/>
${texts.filter((text) => !text.includes('></text>')).join('\n')}
</svg>
`
writeFileSync(join(root, 'docs/session.svg'), svg)
process.stdout.write(`docs/session.svg: ${rows.length} lines, ${svg.length} bytes\n`)
