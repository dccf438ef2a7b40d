/** Where an isolate is: the continent, as Cloudflare names it; `all` where that is not known, as on one machine. */
export const REGIONS = ['all', 'AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'] as const

export type Region = (typeof REGIONS)[number]
