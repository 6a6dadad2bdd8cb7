import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quoted, shown } from './shown.ts'

test('plain names and finite numbers are shown as they stand, other text in quotation marks and 60 characters at most', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    ['blk.0.attn_q.weight', 'blk.0.attn_q.weight'],
    [-2.5, '-2.5'],
    [2n ** 60n, '1152921504606846976'],
    [true, 'true'],
    [null, 'null'],
    ['', '""'],
    ['two words', '"two words"'],
    ['x'.repeat(100_000), `"${'x'.repeat(60)}…"`],
    ['say "hi"', '"say \\"hi\\""'],
    [Number.NaN, 'a value that is not a number'],
    [-Infinity, 'an infinite value'],
    [undefined, 'nothing'],
    [[], 'a list of 0'],
    [[1], 'a list of one'],
    [{ a: 1 }, 'an object'],
  ]
  for (const [value, text] of cases) assert.equal(shown(value), text)
})

test('what a terminal obeys is escaped: controls, 8-bit controls, line separators, marks of direction, half a surrogate pair', () => {
  for (const character of ['\0', '\u001b', '\n', '\u007f', '\u009b', '\u2028', '\u202e', '\u2066', '\ud800'])
    assert.equal(quoted(`a${character}b`).replace(/\\(u[\da-f]{4}|n)/, ''), '"ab"')
})
