import { words } from "./words.ts";

/** Verbs that titles and comments use, in their base form. Add a verb if a correct title is reported as a fragment. */
const bases = words(`
  abort absorb abstain accept access accompany account accumulate acknowledge acquire act activate adapt add address
  adjust admit adopt advance advise affect agree alert alias align allocate allow alter amend amount analyze announce
  answer anticipate append apply approve archive arrange arrive ask assemble assert assess assign associate assume
  attach attempt attend audit authenticate authorize avoid await
  back-fill backfill back balance base batch bear become begin behave believe belong bind block book boot borrow
  bound branch break bridge bring broadcast browse buffer build bump bundle burn bypass
  cache calculate call cancel cap capture carry cascade cast catch cause cease certify chain change charge check choose
  chunk circulate claim clamp classify clean clear clip clone close coalesce code collapse collate collect collide
  combine come commit compact compare compensate compile complain complete comply compose compress compute
  concatenate conceal conclude configure confirm conflict conform connect consider consist consolidate constrain
  construct consult consume contact contain contend continue contribute control converge convert convey copy correct
  correlate correspond cost count cover crash create cross cut cycle
  date deal debounce decide declare decline decode decompress decrease decrement decrypt deduplicate default defer
  define degrade delay delegate delete deliver demand deny depend deploy derive describe deserialize deserve design
  detach detect determine differ digest disable disallow disappear discard disconnect discover disguise dismiss
  dispatch display dispose distinguish distribute diverge divide document double download downgrade drain draw drift
  drive drop dump duplicate
  earn edit eject elapse elect embed emerge emit emulate enable encode encounter encrypt end endure enforce engage
  enqueue enrich ensure enter enumerate equal erase escalate escape establish estimate evaluate evict evolve examine
  exceed except exchange exclude execute exempt exhaust exist exit expand expect expire explain export expose express
  extend extract
  face fail fall favor feed fetch fill filter finalize find finish fire fit fix flag flatten flip float flow flush fold
  follow forbid force forget fork form format forward free freeze fulfil fulfill
  gain gather generate get give go govern grant group grow guarantee guard guess guide
  halt hand handle hang happen harden hash have heal hear help hide hit hold honor honour host
  identify ignore imitate impersonate implement imply import impose improve include increase increment indent index
  indicate infer inform inherit inject insert insist inspect install instruct intercept interleave interpret interrupt
  introduce invalidate invoke involve isolate issue iterate
  join judge jump justify
  keep key kill know
  label lack land last lay lead leak learn lease leave lend let leave limit line link lint list listen live load locate
  lock log look loop lose lower
  mail maintain make manage mandate map mark mask match matter mean measure meet mend mention merge migrate mimic mind
  minimize mirror miss mistake mix mock modify monitor mount move multiply mutate
  name need neglect negotiate nest normalize note notice notify number
  obey object obscure observe obtain occupy occur offer omit open operate oppose order originate outlive output overflow
  overlap override overrun overtake overwrite owe own
  pack package pad page pair paint parallelize park parse partition pass paste patch pause pay penalize perform permit
  persist pick pin ping pipe place plan plant play point poll populate pose post postpone precede predict prefer prefix
  prepare present preserve press presume prevent preview print prioritize probe proceed process produce prohibit project
  promise promote prompt propagate propose protect prove provide provision prune publish pull purge push put
  qualify quantify quarantine query queue quit quote
  race raise rank rate reach react read realize reappear reassemble rebuild recalculate receive recheck reclaim
  recognize recognise recompute reconcile reconnect reconstruct record recover recreate recur recycle redact redeliver
  redirect redo redraw redrive reduce reenter refer reference refetch refill reflect refresh refuse regain regard
  regenerate register reject relate relay release rely reload remain remap remember remind remove rename render renew
  reopen reorder repair repeat replace replay reply report represent reproduce request require reread rerun resend
  reserve reset reside resign resist resolve respect respond rest restart restore restrict result resume retain
  rethrow retire retrieve retry return reuse reveal revert review revise revive revoke rewind rewrite ring rise roll
  rotate round route rule run rush
  sample satisfy save say scale scan schedule scroll seal search seed see seem select send separate sequence serialize
  serve set settle shadow shape share shift ship show shred shrink shut sign signal signify silence simulate sit size
  skip sleep slice slow smooth snapshot solve sort sound span spare spawn speak specify spell spend split spread stage
  stall stamp stand start starve state stay steer step stick stop store stream stretch strike strip structure struggle
  submit subscribe subsume subtract succeed suffer suffice suggest suit sum summarize supersede supply support suppose
  suppress survive suspend swallow swap switch synchronize synthesize
  tabulate tag take talk tally tamper target teach tear tell tend terminate test think throttle throw tick tie time
  timeout tolerate total touch trace track trade trail train transfer transform transition translate transmit transpose
  traverse treat trigger trim trip truncate trust try tune turn twist type
  unblock undergo understand undo unify uninstall unlock unmask unpack unpause unseal unset unsubscribe update upgrade
  upload upsert urge use utilize
  vacuum validate vanish vary verify version vet view violate visit vote
  wait wake walk want warm warn waste watch weaken weigh widen win wipe wish withdraw withhold withstand work worry wrap
  write
  yield zero zip
`);

/** Third-person verbs that are at least as often plural nouns: `files of a folder`, `records that are gone`. */
const alsoNouns = words(`
  accounts acts addresses alerts aliases answers attempts audits batches blocks bounds branches breaks bridges buffers
  bundles caches calls causes chains changes charges checks chunks claims codes commits controls copies costs counts
  crashes cuts cycles dates deals defaults delays demands designs documents doubles drops edits ends exits exports
  faces fields fills filters fires fits fixes flags flows forms formats gains gates grants groups guards guesses hands
  hashes hits holds hosts imports indexes issues joins jumps keys labels leaks leases leaves limits lines links lists
  loads locks logs looks loops maps marks masks matches means measures mocks moves names needs notes notices numbers
  objects offers orders outputs packages pages pairs parks parts passes patches pauses places plans plants plays points
  polls ports posts presents probes processes projects promises prompts pulls pushes queries queues quotes races ranks
  rates reads records references releases repairs repeats replays replies reports requests rests results retries returns
  reviews rings rolls rounds routes rules runs samples saves scales scans schedules seals seeds sequences sets shadows
  shapes shares shifts ships shows signals signs sizes slices sorts sounds spans splits stages stamps stands starts
  states steps stops stores streams strikes strips structures sums supplies supports switches tags takes targets tests
  ticks ties times totals touches traces tracks transfers trips tries turns types updates uses versions views visits
  votes waits walks wants warnings watches wins works wraps writes
`);

export const baseVerbs: ReadonlySet<string> = new Set(bases);

export const thirdPersons: ReadonlySet<string> = new Set(bases.map(thirdPerson));

export const pluralNouns: ReadonlySet<string> = new Set(alsoNouns);

function thirdPerson(base: string): string {
  if (base === "have") return "has";
  if (/(?:s|x|z|ch|sh|[^aeiou]o)$/.test(base)) return `${base}es`;
  return /[^aeiou]y$/.test(base) ? `${base.slice(0, -1)}ies` : `${base}s`;
}
