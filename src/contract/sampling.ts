/**
 * How a token is chosen, exactly, so that another implementation (a GPU, another language) chooses the same. An answer that dies on
 * one replica goes on at another with the very tokens the first would have given, if both have the same `system_fingerprint`.
 *
 * Given: the logits of one row in fp32, l[0..n-1]; temperature T, top_k, top_p, min_p as doubles or integers; the seed; `index`, the token's
 * place in the answer from 0, however much of the answer came from elsewhere; `choice`, which of the answers to one request, from 0.
 * All arithmetic below is IEEE 754 double precision, each operation rounded by itself, except where bits are meant.
 *
 * 1. Where asked for, the logits change first, in this order, and are fp32 again after each of the four:
 *    a. l[i] = -infinity for every token that may not come: all but those that a grammar allows, if there is one; and while index is below
 *       min_tokens, the model's end tokens and stop_token_ids, unless nothing else would be left.
 *    b. logit_bias: l[i] = l[i] + bias.
 *    c. repetition_penalty r other than 1, for every token in the prompt or in the answer so far: l[i] = l[i] / r where l[i] > 0, else l[i] * r.
 *    d. For every token that is c > 0 times in the answer so far: l[i] = l[i] - frequency_penalty * c - presence_penalty.
 *    What follows knows only these l. Log-probabilities that are reported are those of the logits before it.
 * 2. T = 0, as which any T below 1e-5 counts: the id of the largest logit; of equal ones the lowest id. The seed plays no part.
 * 3. z[i] = l[i] / T. The order of tokens is by falling logit, then by rising id. m[i] = round(2^32 e^(z[i] - z[largest])), and 0 where the
 *    exponent is below -24.
 * 4. min_p > 0: the tokens with m[i] at least 2^32 min_p are left. 0 leaves all.
 * 5. top_k > 0: of those, the first top_k in the order are left. 0 leaves all.
 * 6. top_p < 1: the shortest beginning, in the order, of what is left whose sum of m is at least top_p times the sum over all that is left.
 *    The sums are of whole numbers below 2^53: exact in any order.
 * 7. Every token i that is left gets a random word w[i]: the first output word of Philox4x32-10 with
 *      key     (low 32 bits of the seed, high 32 bits of the seed), the seed being a 64-bit two's complement integer,
 *      counter (index, i, choice, 0).
 * 8. The token is the i with the largest z[i] + g[i], g[i] = -ln(-ln((w[i] + 1/2) / 2^32)): Gumbel noise, so that token i wins with
 *    its softmax probability. Of equal ones the lowest id. The noise belongs to (seed, index, i) and not to the order of the
 *    candidates; so where logits differ a little, as on another processor, the same token mostly still wins.
 */
import type { Vector } from './sampling-vectors.ts'

/** Rows of logits that the vectors use. */
export const SAMPLING_LOGITS: Record<Vector['logits'], (random: (counter: number) => number) => number[]> = {
  few: () => [2.5, -1, 0.25, 2.5, 3.75, -40, 1.5, 0],
  even: () => Array.from({ length: 12 }, (_, id) => Math.fround(-id * 0.001)),
  /** `random(i)` is the first word of Philox for the counter (i, 0, 0, 0) and the key (1, 2), 0 to 2^32 - 1. */
  vocabulary: (random) => Array.from({ length: 49_152 }, (_, id) => Math.fround((random(id) / 2 ** 32) * 24 - 12)),
}
