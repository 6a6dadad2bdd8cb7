import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Example } from '../example.ts'
import { generateExamples, promptTokens, type Task, taskOf, tasks } from './index.ts'
import { commonWordsParameters } from './ruler-cwe.ts'
import { codedWordsParameters, fewestCodedWords, frequenciesOf } from './ruler-fwe.ts'
import { needleDepths, niahParameters } from './ruler-niah.ts'
import { questionSources } from './ruler-qa.ts'
import { variableParameters } from './ruler-vt.ts'
import { adjectives, nouns, verbs } from './words.ts'

/** About as many tokens as a real tokenizer makes: a word of up to six letters, a digit or a mark each. */
const countTokens = (text: string): number => text.match(/ ?[A-Za-z]{1,6}|\d| ?[^A-Za-z\d\s]|\s/g)?.length ?? 0

const generate = (name: string, tokens: number, samples = 2, seed = 42): Example[] =>
  generateExamples(`ruler/${name}`, { countTokens, tokens, samples, seed })

const generated = [...Object.keys(niahParameters), 'vt', 'cwe', 'fwe']

const one = (name: string, tokens: number): Example => {
  const [example] = generate(name, tokens, 1)
  assert.ok(example)
  return example
}

const asked = ({ questions }: Example) => {
  assert.equal(questions.length, 1)
  const question = questions[0]
  assert.ok(question)
  return question
}

test('the 13 tasks have the published answer lengths and metrics', () => {
  const published = {
    niah_single_1: [128, 'ruler-all'],
    niah_single_2: [128, 'ruler-all'],
    niah_single_3: [128, 'ruler-all'],
    niah_multikey_1: [128, 'ruler-all'],
    niah_multikey_2: [128, 'ruler-all'],
    niah_multikey_3: [128, 'ruler-all'],
    niah_multivalue: [128, 'ruler-all'],
    niah_multiquery: [128, 'ruler-all'],
    vt: [30, 'ruler-all'],
    cwe: [120, 'ruler-all'],
    fwe: [50, 'ruler-all'],
    qa_1: [32, 'ruler-part'],
    qa_2: [32, 'ruler-part'],
  }
  const ours = tasks.filter(({ name }) => name.startsWith('ruler/'))
  assert.deepEqual(
    Object.fromEntries(ours.map((task: Task) => [task.name.slice(6), [task.maxNewTokens, task.metric]])),
    published,
  )
  assert.deepEqual(Object.keys(questionSources), ['qa_1', 'qa_2'])
})

test('the eight needle tasks have the published haystacks, kinds and counts', () => {
  const rows = Object.entries(niahParameters).map(([name, row]) => [name, ...Object.values(row)].join(' '))
  assert.deepEqual(Object.keys(niahParameters.niah_single_1 ?? {}), [
    'haystack',
    'keyKind',
    'valueKind',
    'keys',
    'valuesPerKey',
    'keysAsked',
  ])
  assert.deepEqual(rows, [
    'niah_single_1 noise words numbers 1 1 1',
    'niah_single_2 essay words numbers 1 1 1',
    'niah_single_3 essay words uuids 1 1 1',
    'niah_multikey_1 essay words numbers 4 1 1',
    'niah_multikey_2 needle words numbers 1 1 1',
    'niah_multikey_3 needle uuids uuids 1 1 1',
    'niah_multivalue essay words numbers 1 4 1',
    'niah_multiquery essay words numbers 4 1 4',
  ])
  assert.equal(needleDepths.length, 40)
  assert.deepEqual([...needleDepths.slice(0, 4), ...needleDepths.slice(-2)], [0, 3, 5, 8, 97, 100])
})

test('variable tracking, common words and frequent words have the published parameters', () => {
  assert.deepEqual(variableParameters, {
    chains: 1,
    hops: 4,
    nameLetters: 5,
    exampleNameLetters: 3,
    exampleTokens: 500,
  })
  assert.deepEqual(commonWordsParameters(4096), {
    commonCount: 10,
    commonTimes: 30,
    otherTimes: 3,
    example: { words: 40, commonTimes: 10, otherTimes: 3 },
  })
  assert.deepEqual(commonWordsParameters(4095), {
    commonCount: 10,
    commonTimes: 6,
    otherTimes: 1,
    example: { words: 20, commonTimes: 3, otherTimes: 1 },
  })
  assert.deepEqual(codedWordsParameters, { alpha: 2, wordLetters: 6, tokensPerWord: 50, asked: 3 })
  // 1000 k⁻² / ζ(2), rounded down: 607.9, 152.0, 67.5, 38.0, 24.3, 16.9
  assert.deepEqual(frequenciesOf(1000, 6), [607, 151, 67, 37, 24, 16])
})

const longestUnit: Readonly<Record<string, number>> = { niah_single_1: 30, niah_multikey_3: 130, cwe: 60, fwe: 40 }

for (const tokens of [1024, 4096, 16384])
  test(`${generated.length} tasks at ${tokens} tokens: within the length and at most one unit below it`, () => {
    for (const name of generated)
      for (const example of generate(name, tokens)) {
        const size = promptTokens(example, countTokens)
        const unit = longestUnit[name] ?? 40
        assert.ok(size <= tokens && size > tokens - unit, `${name}: ${size} of ${tokens}`)
        assert.equal(example.targetTokens, tokens)
      }
  })

test('all answers of the needle and chain tasks stand in the context, at 1,024 and 4,096 tokens', () => {
  for (const name of generated)
    for (const tokens of [1024, 4096])
      for (const example of generate(name, tokens, 3)) {
        const { answers } = asked(example)
        for (const answer of answers) assert.ok(example.context.includes(answer), `${name}: ${answer}`)
        assert.equal(new Set(answers).size, answers.length)
      }
})

/** Where kvpress, and the published split with it, cuts RULER's prompt. */
const cuts: Readonly<Record<string, readonly [RegExp, RegExp]>> = {
  niah: [/What (?:is|are all) the special magic/g, /The special magic/],
  vt: [/Question: Find all variables that are assigned the value/g, /Answer:/],
  cwe: [/Question: What are the 10 most common words in the above list\?/g, /Answer:/],
  fwe: [/Question: Do not provide any explanation\./g, /Answer:/],
}

test('context, question and answer prefix are cut where the published split cuts the whole prompt', () => {
  for (const name of generated) {
    const example = one(name, 1024)
    const { question, answerPrefix = '' } = asked(example)
    const prompt = example.instruction + example.context + question + answerPrefix
    const [questionMark, answerMark] = cuts[name.split('_')[0] ?? ''] ?? []
    assert.ok(questionMark && answerMark)
    const start = [...prompt.matchAll(questionMark)].at(-1)?.index
    assert.equal(start, example.context.length, name)
    const rest = prompt.slice(start)
    assert.equal(rest.search(answerMark), question.length, name)
    assert.equal(example.promptIsRaw, true)
    assert.match(question, /[?.] $/)
  }
})

test('the worked examples of vt and cwe stay in the context, and nobody else has one', () => {
  for (const name of generated) {
    const found = one(name, 4096).context.split('Question:').length - 1
    assert.equal(found, name === 'vt' || name === 'cwe' ? 1 : 0, name)
  }
})

test('one value is asked for in the singular, four in the plural, and four keys are listed with commas and "and"', () => {
  const single = one('niah_multikey_1', 1024)
  assert.match(single.context, /^A special magic number is hidden within the following text\. /)
  assert.match(
    asked(single).question,
    /^What is the special magic number for [a-z]+-[a-z]+ mentioned in the provided text\? $/,
  )
  assert.match(asked(single).answerPrefix ?? '', /^The special magic number for [a-z-]+ mentioned .* text is$/)
  const many = one('niah_multiquery', 1024)
  assert.match(
    many.context,
    /^Some special magic numbers are hidden .* I will quiz you about the numbers afterwards\.\n/,
  )
  assert.match(
    asked(many).question,
    /^What are all the special magic numbers for [a-z-]+, [a-z-]+, [a-z-]+, and [a-z-]+ mentioned /,
  )
  assert.match(asked(many).answerPrefix ?? '', / text are$/)
})

const needlesIn = (context: string) =>
  [...context.matchAll(/One of the special magic (\w+?)s for ([\w-]+) is: ([\w-]+)\./g)].map(
    ([, kind, key, value]) => ({ kind, key, value }),
  )

test('needle tasks hide 1, 4, 4 and 4 needles in prose, and the asked ones are among them', () => {
  const expected = { niah_single_1: 1, niah_single_2: 1, niah_multikey_1: 4, niah_multivalue: 4, niah_multiquery: 4 }
  for (const [name, count] of Object.entries(expected)) {
    const example = one(name, 4096)
    const needles = needlesIn(example.context)
    assert.equal(needles.length, count, name)
    const { question, answers } = asked(example)
    const right = needles.filter(({ key }) => key && question.includes(key)).map(({ value }) => value)
    assert.deepEqual([...right].sort(), [...answers].sort(), name)
    assert.equal(new Set(needles.map(({ key }) => key)).size, name === 'niah_multivalue' ? 1 : count)
  }
})

test('multikey 2 and 3 have nothing but lines of the same form, all keys different, one of them asked for', () => {
  for (const [name, form] of [
    ['niah_multikey_2', /^number$/],
    ['niah_multikey_3', /^uuid$/],
  ] as const) {
    const example = one(name, 4096)
    const [, ...lines] = example.context.trimEnd().split('\n')
    const needles = needlesIn(example.context)
    assert.equal(lines.length, needles.length)
    assert.ok(needles.length > 20)
    assert.equal(new Set(needles.map(({ key }) => key)).size, needles.length)
    for (const { kind } of needles) assert.match(kind ?? '', form)
    const { question, answers } = asked(example)
    const right = needles.filter(({ key }) => key && question.includes(` ${key} `))
    assert.deepEqual(
      right.map(({ value }) => value),
      answers,
    )
  }
})

test('numbers have 7 digits and uuids are version 4, in 20 samples', () => {
  for (const example of generate('niah_single_1', 600, 20))
    assert.match(asked(example).answers[0] ?? '', /^[1-9]\d{6}$/)
  for (const example of generate('niah_single_3', 600, 20))
    assert.match(
      asked(example).answers[0] ?? '',
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
})

test('depth is where the needle stands, and 40 samples stand in all four quarters', () => {
  for (const name of ['niah_single_1', 'niah_single_2', 'niah_multikey_2']) {
    const quarters = new Set<number>()
    for (const { context, depth = -1, questions } of generate(name, 1024, 40)) {
      const needle = context.lastIndexOf('One of', context.indexOf(questions[0]?.answers[0] ?? ''))
      assert.equal(depth, needle / context.length)
      quarters.add(Math.min(Math.floor(depth * 4), 3))
    }
    assert.equal(quarters.size, 4, name)
  }
})

test('the chain of vt leads from the value asked for to its five names, one assignment at a time', () => {
  for (const example of generate('vt', 2048, 5)) {
    const [worked = '', own = ''] = example.context.split(/\n(?=Memorize and track)/)
    const assignments = [...own.matchAll(/^VAR ([A-Z]{5}) = (?:VAR )?(\w+) ?$/gm)].map(([, name, from]) => ({
      name,
      from,
    }))
    assert.equal(assignments.length, 5)
    const { question, answers, answerPrefix } = asked(example)
    assert.deepEqual(
      assignments.map(({ name }) => name),
      answers,
    )
    assert.ok(question.includes(` ${assignments[0]?.from} `))
    assert.match(assignments[0]?.from ?? '', /^\d{5}$/)
    assignments.slice(1).forEach(({ from }, hop) => {
      assert.equal(from, answers[hop])
    })
    assert.match(answerPrefix ?? '', /^Answer: .* 5 variables are assigned the value \d{5}, they are: $/)
    assert.equal([...worked.matchAll(/^VAR [A-Z]{3} = /gm)].length, 5)
    assert.match(worked, /they are: {2}[A-Z]{3} [A-Z]{3} [A-Z]{3} [A-Z]{3} [A-Z]{3}\n$/)
    assert.ok(countTokens(worked.slice(0, worked.lastIndexOf(': '))) <= 500)
  }
  const workedOf = ({ context }: Example): string => context.slice(0, context.indexOf('\n\nMemorize'))
  const [first, second] = generate('vt', 2048, 2)
  assert.ok(first && second)
  assert.notEqual(workedOf(first), workedOf(second))
})

const wordCounts = (list: string): Map<string, number> => {
  const entries = [...list.matchAll(/(\d+)\. ([a-z]+)/g)]
  entries.forEach(([, number], index) => {
    assert.equal(Number(number), index + 1)
  })
  const counts = new Map<string, number>()
  for (const [, , word = ''] of entries) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

test('common words come 30 times and others 3 at 4,096 tokens, 6 and 1 below; the example 10 and 3, 3 and 1', () => {
  for (const [tokens, common, other, exampleWords, exampleCommon, exampleOther] of [
    [4096, 30, 3, 40, 10, 3],
    [16384, 30, 3, 40, 10, 3],
    [1024, 6, 1, 20, 3, 1],
  ] as const) {
    const example = one('cwe', tokens)
    const lists = example.context.split('\n').filter((line) => line.startsWith('1. '))
    assert.equal(lists.length, 2)
    const [worked, own] = lists.map(wordCounts)
    assert.ok(worked && own)
    const times = (counts: Map<string, number>, wanted: number): string[] =>
      [...counts].filter(([, count]) => count === wanted).map(([word]) => word)
    assert.deepEqual(times(own, common).sort(), [...asked(example).answers].sort())
    assert.equal(times(own, common).length + times(own, other).length, own.size)
    assert.equal(worked.size, exampleWords)
    assert.equal(times(worked, exampleCommon).length, 10)
    assert.equal(times(worked, exampleOther).length, exampleWords - 10)
    const solved = wordCounts(/are:((?: \d+\. [a-z]+)+)/.exec(example.context)?.[1] ?? '')
    assert.deepEqual([...solved.keys()].sort(), times(worked, exampleCommon).sort())
  }
})

test('cwe at 65,536 tokens, beyond our words, is as long as asked for and its common words are real ones', () => {
  const example = one('cwe', 65_536)
  const size = promptTokens(example, countTokens)
  assert.ok(size <= 65_536 && size > 65_536 - 60, `${size}`)
  const { answers } = asked(example)
  assert.equal(answers.length, 10)
  const real = new Set([...nouns, ...adjectives, ...verbs])
  for (const answer of answers) assert.ok(real.has(answer), answer)
  const words = new Set([...example.context.matchAll(/\d+\. ([a-z]+)/g)].map(([, word = '']) => word))
  assert.ok([...words].filter((word) => !real.has(word)).length > 100)
})

test('frequent words: dots first, the three asked for are ranks two to four, always more frequent than the fifth', () => {
  for (const tokens of [400, 1024, 4096])
    for (const example of generate('fwe', tokens, 3)) {
      const text = example.context.slice(example.context.indexOf('coded words. ') + 13).trimEnd()
      const counts = new Map<string, number>()
      for (const word of text.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1)
      const ranked = [...counts].sort(([, a], [, b]) => b - a)
      assert.equal(ranked[0]?.[0], '...')
      assert.deepEqual(
        ranked
          .slice(1, 4)
          .map(([word]) => word)
          .sort(),
        [...asked(example).answers].sort(),
      )
      assert.ok((ranked[3]?.[1] ?? 0) > (ranked[4]?.[1] ?? 0))
      for (const [word] of ranked.slice(1)) assert.match(word, /^[a-z]{6}$/)
    }
})

test('the fourth coded word is more frequent than the fifth from 73 words to 5,000, and not in all shorter texts', () => {
  const tied = (total: number): boolean => {
    const [, , , fourth = 0, fifth = 0] = frequenciesOf(total, 5)
    return fourth <= fifth
  }
  assert.equal(tied(50), true)
  for (let total = fewestCodedWords; total <= 5000; total++) assert.equal(tied(total), false, `${total} words`)
})

test('the length of an example counts its longest question, the opening of its answer and the answer, and a blank line unless raw', () => {
  const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length
  const lines = (text: string): number => text.split('\n').length - 1
  const example: Example = {
    id: '',
    dataset: '',
    instruction: 'Read this.',
    context: 'A b c d.',
    questions: [
      { qid: '0', question: 'Short?', answers: ['x'] },
      { qid: '1', question: 'The longest of all?', answers: ['x'], answerPrefix: ' It is' },
      { qid: '2', question: 'Not so long?', answers: ['x'], answerPrefix: ' It' },
    ],
    metric: 'contains',
    maxNewTokens: 100,
  }
  assert.equal(promptTokens(example, words), 2 + 4 + 6 + 100)
  assert.equal(promptTokens(example, lines), 4 + 100)
  assert.equal(promptTokens({ ...example, promptIsRaw: true, instruction: '' }, lines), 100)
})

test('the same request gives the same examples, another seed others, and fewer samples are the first of more', () => {
  for (const name of generated) {
    const examples = generate(name, 1024, 3)
    assert.deepEqual(generate(name, 1024, 3), examples)
    assert.deepEqual(
      generate(name, 1024, 1).map(({ context }) => context),
      examples.slice(0, 1).map(({ context }) => context),
    )
    assert.notEqual(generate(name, 1024, 1, 43)[0]?.context, examples[0]?.context)
    assert.equal(new Set(examples.map(({ id }) => id)).size, 3)
    assert.equal(new Set(examples.map(({ context }) => context)).size, 3)
  }
})

test('a length that is too small is refused with the least, and the least can be made', () => {
  for (const name of generated) {
    let least = 0
    assert.throws(
      () => generate(name, 100, 1),
      (error: { code?: string; message: string }) => {
        assert.equal(error.code, 'usage')
        const found = new RegExp(`^ruler/${name} cannot be made 100 tokens long: .* at least (\\d+); ask for more$`)
        least = Number(found.exec(error.message)?.[1])
        return least > 100
      },
    )
    assert.equal(promptTokens(one(name, least), countTokens), least, name)
    assert.throws(() => one(name, least - 1), { code: 'usage' })
  }
})

test('prose given by the user replaces the essays in the five tasks that hide needles in prose', () => {
  const haystack = 'Rain fell on the harbor. Nobody minded the rain. '.repeat(5)
  for (const [name, { haystack: kind }] of Object.entries(niahParameters)) {
    const request = { countTokens, tokens: 1024, samples: 1, seed: 1, haystack }
    const text = generateExamples(`ruler/${name}`, request)[0]?.context ?? ''
    assert.equal(text.includes('Nobody minded the rain.'), kind === 'essay', name)
    assert.equal(text.includes('repair old clocks'), false)
  }
})

test('a misspelt task is refused with the nearest name', () => {
  assert.throws(() => taskOf('ruler/niah_singel_1'), {
    code: 'usage',
    message: /unknown task "ruler\/niah_singel_1"; there are .*; did you mean ruler\/niah_single_1\?$/,
  })
})

test('unknown options, fractions of samples and seeds below 0 are refused with what was expected', () => {
  const request = { countTokens, tokens: 1024, samples: 1, seed: 1 }
  assert.throws(() => generateExamples('ruler/vt', { ...request, options: { hops: 3 } }), {
    name: 'TypeError',
    message: 'task ruler/vt has no option "hops"; it has none',
  })
  assert.throws(() => generateExamples('ruler/vt', { ...request, samples: 1.5 }), /samples takes a whole number from 1/)
  assert.throws(() => generateExamples('ruler/vt', { ...request, seed: -1 }), /seed takes a whole number from 0/)
  assert.throws(() => generateExamples('ruler/vt', { ...request, tokens: 0 }), /tokens takes a whole number from 1/)
})
