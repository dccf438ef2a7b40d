/**
 * How long an idle thread of the engine looks for work before it sleeps, in microseconds. On two cores that others wanted too, 10 was as
 * good as not looking at all (81 tokens/s at batch 2, 131 at batch 8; ONNX Runtime's own 1,000 gave 49 and 86); on the same cores in
 * quiet moments it lost a fifth of a lone stream's speed to 1,000 (137 against 178) and nothing at batch 8.
 */
export const SPIN_US_DEFAULT = 10
