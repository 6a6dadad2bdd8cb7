/**
 * Questions with the passages that answer them, read from a file of the user: SQuAD 2.0 JSON, HotpotQA JSON, or JSON
 * lines with `context` and `questions` whose context is passages. None of these come with the package.
 */
import { readFileSync } from 'node:fs'
import { CompactorError } from '../../error.ts'
import { fileReason } from '../../file-reason.ts'

export interface PassageQuestion {
  readonly question: string
  readonly answers: readonly string[]
  /** Places of the passages that must be there. */
  readonly gold: readonly number[]
  /** Others of the same article: the first distractors. */
  readonly related: readonly number[]
}

export interface PassageCollection {
  readonly passages: readonly string[] // no two alike
  readonly questions: readonly PassageQuestion[]
}

const refused = (where: string, expected: string): CompactorError =>
  new CompactorError('usage', `${where} is not ${expected}, as SQuAD, HotpotQA or lines of contexts would have it`)

const record = (value: unknown, where: string): Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(where, 'an object')
  return value as Record<string, unknown>
}

const list = (value: unknown, where: string): readonly unknown[] => {
  if (!Array.isArray(value)) throw refused(where, 'a list')
  return value
}

const text = (value: unknown, where: string): string => {
  if (typeof value !== 'string') throw refused(where, 'a text')
  return value
}

const texts = (value: unknown, where: string): string[] =>
  list(value, where).map((entry, index) => text(entry, `${where}[${index}]`))

/** Collects passages, each once. */
class Passages {
  readonly all: string[] = []
  readonly #places = new Map<string, number>()

  placeOf(passage: string): number {
    const known = this.#places.get(passage)
    if (known !== undefined) return known
    this.#places.set(passage, this.all.length)
    return this.all.push(passage) - 1
  }
}

const fromSquad = (articles: readonly unknown[], name: string): PassageCollection => {
  const passages = new Passages()
  const questions = articles.flatMap((article, a) => {
    const inArticle = `${name}: data[${a}].paragraphs`
    const paragraphs = list(record(article, `${name}: data[${a}]`).paragraphs, inArticle).map((paragraph, p) => {
      const where = `${inArticle}[${p}]`
      const { context, qas } = record(paragraph, where)
      return { where, place: passages.placeOf(text(context, `${where}.context`)), qas: list(qas, `${where}.qas`) }
    })
    const places = [...new Set(paragraphs.map(({ place }) => place))]
    return paragraphs.flatMap(({ where, place, qas }) =>
      qas.flatMap((entry, q) => {
        const { question, answers, is_impossible: impossible } = record(entry, `${where}.qas[${q}]`)
        if (impossible === true) return []
        const given = list(answers, `${where}.qas[${q}].answers`).map((answer, index) => {
          const inAnswer = `${where}.qas[${q}].answers[${index}]`
          return text(record(answer, inAnswer).text, `${inAnswer}.text`)
        })
        return [
          {
            question: text(question, `${where}.qas[${q}].question`),
            answers: [...new Set(given)],
            gold: [place],
            related: places.filter((other) => other !== place),
          },
        ]
      }),
    )
  })
  return { passages: passages.all, questions }
}

const fromHotpot = (entries: readonly unknown[], name: string): PassageCollection => {
  const passages = new Passages()
  const questions = entries.map((entry, e) => {
    const where = `${name}: [${e}]`
    const { question, answer, context } = record(entry, where)
    const gold = list(context, `${where}.context`).map((pair, p) => {
      const inPair = `${where}.context[${p}]`
      const [title, sentences] = list(pair, inPair)
      return passages.placeOf(`${text(title, `${inPair}[0]`)}\n${texts(sentences, `${inPair}[1]`).join('')}`)
    })
    return {
      question: text(question, `${where}.question`),
      answers: [text(answer, `${where}.answer`)],
      gold: [...new Set(gold)],
      related: [],
    }
  })
  return { passages: passages.all, questions }
}

/** "Passage 3:" or "Document [3]" before each, else blank lines between them. */
const split = (context: string): string[] => {
  const mark = /^(?:Passage|Document) ?\[?\d+\]?:?\s*/m
  const parts = mark.test(context) ? context.split(new RegExp(mark.source, 'gm')) : context.split(/\n\s*\n/)
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

const fromLines = (lines: readonly string[], name: string): PassageCollection => {
  const passages = new Passages()
  const questions = lines.flatMap((line, index) => {
    if (line.trim() === '') return []
    const where = `${name}: line ${index + 1}`
    const { context, questions: asked } = record(parse(line, where), where)
    const gold = [...new Set(split(text(context, `${where}: context`)).map((passage) => passages.placeOf(passage)))]
    return list(asked, `${where}: questions`).map((entry, q) => {
      const { question, answers } = record(entry, `${where}: questions[${q}]`)
      return {
        question: text(question, `${where}: questions[${q}].question`),
        answers: [...new Set(texts(answers, `${where}: questions[${q}].answers`))],
        gold,
        related: [],
      }
    })
  })
  return { passages: passages.all, questions }
}

const parse = (json: string, where: string): unknown => {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new CompactorError('usage', `${where} is not valid JSON: ${(cause as Error).message}`, { cause })
  }
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    throw new CompactorError('file-unreadable', `${path} cannot be read: ${fileReason(cause)}`, { cause })
  }
}

const collect = (content: string, path: string): PassageCollection => {
  const lines = content.split('\n')
  const [first, second = ''] = lines.filter((line) => line.trim() !== '')
  if (first === undefined) throw new CompactorError('usage', `${path} is empty; give a file with questions`)
  if (first.trimStart().startsWith('{') && second.startsWith('{')) return fromLines(lines, path)
  const whole = parse(content, path)
  if (Array.isArray(whole)) return fromHotpot(whole, path)
  const { data } = record(whole, path)
  return data === undefined ? fromLines(lines, path) : fromSquad(list(data, `${path}: data`), path)
}

/** Throws CompactorError: 'file-unreadable'; 'usage' for a file of none of the three kinds, with the place in it. */
export const readPassages = (path: string): PassageCollection => {
  const collection = collect(read(path), path)
  const questions = collection.questions.filter(({ answers, gold }) => answers.length > 0 && gold.length > 0)
  if (questions.length === 0)
    throw new CompactorError('usage', `${path} has no question with an answer; give another file`)
  return { ...collection, questions }
}
