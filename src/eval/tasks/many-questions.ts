/**
 * Many questions about one context: a register of people, five facts about each, and questions spread evenly over it.
 * What compress once, ask often must stand (the setting of KVzip and SCBench). Everything in it is made up.
 */
import type { OptionDescription } from '../../methods/options.ts'
import type { Question } from '../example.ts'
import { createDraws, different, growing } from './draws.ts'
import { type Drafts, fitted, type Task, type TaskRequest } from './task.ts'
import { inventedWord, wordPair } from './words.ts'

const instruction =
  'Below is the register of a club. Read it carefully; questions about its members follow. Answer each with nothing but the fact that is asked for.'

const firstNames =
  'Ada Agnes Albert Alma Anton Arthur Astrid Bertha Bruno Carla Clara Conrad Cora Dora Edgar Edith Elias Elsa Emil Enid Ernest Esther Felix Fiona Flora Frieda Gustav Hanna Hector Helga Henry Hilda Hugo Ida Ingrid Irene Isaac Ivan Jonas Josef Judith Karl Klara Laura Leon Lydia Magda Martha Matilda Maurice Mina Miriam Nadia Nora Olga Oscar Otto Paula Pauline Petra Ralph Rosa Rudolf Ruth Selma Simon Stella Sylvia Theodor Thomas Ursula Vera Victor Viola Walter Wilma'.split(
    ' ',
  )

const surnames =
  'Abbott Barlow Becker Bishop Bowen Brandt Calder Carver Chandler Cooper Crane Dalton Draper Dunn Easton Ellis Farrow Fenwick Fischer Fletcher Forster Gardner Gibbs Glover Graham Hale Harper Hayes Holt Hooper Hudson Ingram Jarvis Keller Kemp Lambert Lang Larsen Lindner Lowe Marlow Mercer Meyer Miller Moran Nolan Norton Olsen Osborne Palmer Parker Pearce Porter Quinn Ramsey Reeve Rhodes Rowan Sawyer Schmidt Sharp Shaw Sherman Snyder Spencer Stark Steele Tanner Thorne Turner Vance Vogel Wagner Walsh Warner Webb Weaver Winter Wright York'.split(
    ' ',
  )

const trades =
  'baker bookbinder bricklayer butcher cabinetmaker carpenter clockmaker cook dentist electrician engraver farmer fisherman gardener glazier goldsmith grocer hatter journalist judge librarian locksmith mason midwife musician nurse optician painter pharmacist photographer pilot plumber potter printer roofer saddler sculptor shoemaker surveyor tailor teacher translator upholsterer watchmaker welder'.split(
    ' ',
  )

interface Member {
  readonly name: string
  readonly trade: string
  readonly year: string
  readonly town: string
  readonly locker: string
  readonly codeWord: string
}

interface Registered extends Member {
  readonly entry: Entry
}

type Entry = (fields: Member) => string

const article = (trade: string): string => (/^[aeiou]/.test(trade) ? 'an' : 'a')

const entries: readonly Entry[] = [
  ({ name, trade, year, town, locker, codeWord }) =>
    `${name}, ${article(trade)} ${trade} born in ${year}, lives in ${town}, uses locker ${locker} and has the code word ${codeWord}.`,
  ({ name, trade, year, town, locker, codeWord }) =>
    `Locker ${locker} belongs to ${name}, who lives in ${town}, was born in ${year}, works as ${article(trade)} ${trade} and has the code word ${codeWord}.`,
  ({ name, trade, year, town, locker, codeWord }) =>
    `In ${town} lives ${name}, code word ${codeWord}, who keeps everything in locker ${locker}, was born in ${year} and is ${article(trade)} ${trade}.`,
]

const facts: readonly ((member: Member) => { readonly question: string; readonly answer: string })[] = [
  ({ name, locker }) => ({ question: `What is the number of the locker that ${name} uses?`, answer: locker }),
  ({ name, town }) => ({ question: `In which town does ${name} live?`, answer: town }),
  ({ name, codeWord }) => ({ question: `What is the code word of ${name}?`, answer: codeWord }),
  ({ name, year }) => ({ question: `In which year was ${name} born?`, answer: year }),
  ({ name, trade }) => ({ question: `What is the occupation of ${name}?`, answer: trade }),
]

const options: Readonly<Record<string, OptionDescription>> = {
  questions: { default: 24, min: 1, max: 500, integer: true, about: 'questions about each context' },
}

/** The first so many members; no two have the same name, locker, town or code word. */
const membersOf = (seed: number, index: number): ((count: number) => readonly Registered[]) => {
  const draws = createDraws(seed, 'many-questions', index)
  const names = different(() => `${draws.pick(firstNames)} ${draws.pick(surnames)}-${draws.pick(surnames)}`)
  const lockers = different(() => String(draws.integer(10_000, 99_999)))
  const towns = different(() => inventedWord(draws).replace(/^./, (letter) => letter.toUpperCase()))
  const codeWords = different(() => wordPair(draws))
  return growing(() => ({
    name: names(),
    trade: draws.pick(trades),
    year: String(draws.integer(1930, 2004)),
    town: towns(),
    locker: lockers(),
    codeWord: codeWords(),
    entry: draws.pick(entries),
  }))
}

/** Members at even distances, facts in turn: nothing is asked twice with at most five questions to a member. */
const questionsAbout = (members: readonly Member[], count: number): Question[] =>
  Array.from({ length: count }, (_, index) => {
    const member = members[Math.floor(((index + 0.5) * members.length) / count)] as Member
    const fact = facts[index % facts.length] as (typeof facts)[number]
    const { question, answer } = fact(member)
    return { qid: String(index), question, answers: [answer] }
  })

const draftsOf = (request: TaskRequest, index: number): Drafts => {
  const first = membersOf(request.seed, index)
  const count = Number(request.options.questions)
  return {
    least: Math.ceil(count / facts.length),
    draft: (memberCount) => {
      const members = first(memberCount)
      return {
        id: `many-questions@${request.tokens}-s${request.seed}-${index}`,
        dataset: 'many-questions',
        instruction,
        context: members.map((member) => member.entry(member)).join('\n'),
        questions: questionsAbout(members, count),
        metric: manyQuestions.metric,
        maxNewTokens: manyQuestions.maxNewTokens,
        targetTokens: request.tokens,
      }
    },
  }
}

export const manyQuestions: Task = {
  name: 'many-questions',
  summary: 'many questions about one register of people',
  metric: 'contains',
  maxNewTokens: 32,
  lengths: [2000, 8000],
  options,
  generate: (request) =>
    fitted(
      'many-questions',
      request,
      Array.from({ length: request.samples }, (_, index) => draftsOf(request, index)),
    ),
}
