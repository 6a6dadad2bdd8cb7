/**
 * LongBench's prompts, word for word, because a score can be compared only under the same words. Split as kvpress splits
 * them: what is compressed (instructions before and after the text), what is asked afterwards, what opens the answer.
 *
 * From https://github.com/THUDM/LongBench, under this licence:
 *
 * MIT License
 *
 * Copyright (c) 2023 THU-KEG & Zhipu AI
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
 * documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
 * rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
 * persons to whom the Software is furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
 * Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
 * WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
 * COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
 * OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
 */

export interface LongBenchPrompt {
  readonly document: string // {context} stands for the text
  readonly question: string // {input} stands for the question
  readonly answerPrefix: string
}

const article =
  'as concisely as you can, using a single phrase or sentence if possible. If the question cannot be answered based on ' +
  'the information in the article, write "unanswerable". If the question is a yes/no question, answer "yes", "no", or ' +
  '"unanswerable". Do not provide any explanation.'
const passages =
  'Answer the question based on the given passages. Only give me the answer and do not output any other words.'
const multiHop: LongBenchPrompt = {
  document: `${passages}\n\nThe following are given passages.\n{context}\n\n${passages}\n\n`,
  question: 'Question: {input}\n',
  answerPrefix: 'Answer:',
}
const code: LongBenchPrompt = {
  document: 'Please complete the code given below. \n{context}',
  question: '{input}',
  answerPrefix: 'Next line of code:\n',
}

export type LongBenchName =
  | 'narrativeqa'
  | 'qasper'
  | 'multifieldqa_en'
  | 'hotpotqa'
  | '2wikimqa'
  | 'musique'
  | 'gov_report'
  | 'qmsum'
  | 'multi_news'
  | 'trec'
  | 'triviaqa'
  | 'samsum'
  | 'lsht'
  | 'passage_count'
  | 'passage_retrieval_en'
  | 'passage_retrieval_zh'
  | 'lcc'
  | 'repobench-p'

export const longBenchPrompts: Readonly<Record<LongBenchName, LongBenchPrompt>> = {
  narrativeqa: {
    // "asconcisely" is how LongBench and kvpress have it.
    document:
      'You are given a story, which can be either a novel or a movie script, and a question. Answer the question asconcisely as you can, using a single phrase if possible. Do not provide any explanation.\n\nStory: {context}\n\nNow, answer the question based on the story asconcisely as you can, using a single phrase if possible. Do not provide any explanation.\n\n',
    question: 'Question: {input}\n\n',
    answerPrefix: 'Answer:',
  },
  qasper: {
    document: `You are given a scientific article and a question. Answer the question ${article}\n\nArticle: {context}\n\n Answer the question based on the above article ${article}\n\n`,
    question: 'Question: {input}\n\n',
    answerPrefix: 'Answer:',
  },
  multifieldqa_en: {
    document:
      'Read the following text and answer briefly.\n\n{context}\n\nNow, answer the following question based on the above text, only give me the answer and do not output any other words.\n\n',
    question: 'Question: {input}\n',
    answerPrefix: 'Answer:',
  },
  hotpotqa: multiHop,
  '2wikimqa': multiHop,
  musique: multiHop,
  gov_report: {
    document:
      'You are given a report by a government agency. Write a one-page summary of the report.\n\nReport:\n{context}\n\n',
    question: 'Now, write a one-page summary of the report.\n\n',
    answerPrefix: 'Summary:',
  },
  qmsum: {
    document:
      'You are given a meeting transcript and a query containing a question or instruction. Answer the query in one or more sentences.\n\nTranscript:\n{context}\n\nNow, answer the query based on the above meeting transcript in one or more sentences.\n\n',
    question: 'Query: {input}\n',
    answerPrefix: 'Answer:',
  },
  multi_news: {
    document: 'You are given several news passages. Write a one-page summary of all news. \n\nNews:\n{context}\n\n',
    question: 'Now, write a one-page summary of all the news.\n\n',
    answerPrefix: 'Summary:',
  },
  trec: {
    document: 'Please determine the type of the question below. Here are some examples of questions.\n\n{context}\n',
    question: '{input}',
    answerPrefix: 'Type:',
  },
  triviaqa: {
    document:
      'Answer the question based on the given passage. Only give me the answer and do not output any other words. The following are some examples.\n\n{context}\n\n',
    question: '{input}',
    answerPrefix: 'Answer:',
  },
  samsum: {
    document: 'Summarize the dialogue into a few short sentences. The following are some examples.\n\n{context}\n\n',
    question: '{input}',
    answerPrefix: 'Summary:',
  },
  lsht: {
    document: '请判断给定新闻的类别，下面是一些例子。\n\n{context}\n',
    question: '{input}',
    answerPrefix: '',
  },
  passage_count: {
    document:
      'There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. Please carefully read these paragraphs and determine how many unique paragraphs there are after removing duplicates. In other words, how many non-repeating paragraphs are there in total?\n\n{context}\n\n',
    question:
      'Please enter the final count of unique paragraphs after removing duplicates. The output format should only contain the number, such as 1, 2, 3, and so on.\n\n',
    answerPrefix: 'The final answer is: ',
  },
  passage_retrieval_en: {
    document:
      'Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which paragraph the abstract is from.\n\n{context}\n\nThe following is an abstract.\n\n',
    question:
      '{input}\n\nPlease enter the number of the paragraph that the abstract is from. The answer format must be like "Paragraph 1", "Paragraph 2", etc.\n\n',
    answerPrefix: 'The answer is: ',
  },
  passage_retrieval_zh: {
    document:
      '以下是若干段落文字，以及其中一个段落的摘要。请确定给定的摘要出自哪一段。\n\n{context}\n\n下面是一个摘要\n\n',
    question: '{input}\n\n请输入摘要所属段落的编号。答案格式必须是"段落1"，"段落2"等格式\n\n',
    answerPrefix: '答案是：',
  },
  lcc: code,
  'repobench-p': code,
}
