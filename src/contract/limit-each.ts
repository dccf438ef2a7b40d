/** Apart from the schemas of limits: the request path needs no more of them. */

/** For each that has no limit of its own. */
export const EACH = '*'
