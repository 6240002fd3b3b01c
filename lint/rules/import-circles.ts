import { importsOf } from "../imports.ts";
import type { Finding, Rule } from "../rule.ts";
import type { Source } from "../source.ts";

/** Imported files of each file, with the line of each import. */
type Graph = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Reports each import cycle, including `import type`, with a shortest path around it. */
export const importCircles: Rule = {
  name: "import-circles",
  title: "import circles, types included",
  check: (sources) => {
    const graph = graphOf(sources);
    return circlesIn(graph).map((circle) => findingOf(graph, circle));
  },
};

function graphOf(sources: readonly Source[]): Graph {
  const files = new Set(sources.map(({ path }) => path));
  return new Map(
    sources.map((source) => [
      source.path,
      new Map(importsOf(source).flatMap(({ name, line }) => (files.has(name) ? [[name, line] as const] : []))),
    ]),
  );
}

function findingOf(graph: Graph, circle: readonly string[]): Finding {
  const [first = ""] = circle;
  const way = pathAround(graph, first, new Set(circle));
  const size = circle.length === 1 ? "1 file imports itself" : `${circle.length} files import each other`;
  return {
    file: first,
    line: graph.get(first)?.get(way[1] ?? first) ?? 1,
    message: `${size}: ${circle.join(", ")}. Shortest path from here: ${way.join(" → ")}`,
  };
}

/** Finds the shortest path from a file back to itself within its cycle. */
function pathAround(graph: Graph, first: string, circle: ReadonlySet<string>): string[] {
  const ways: string[][] = [[first]];
  const seen = new Set<string>();
  for (const way of ways) {
    for (const next of graph.get(way.at(-1) ?? first)?.keys() ?? []) {
      if (next === first) return [...way, next];
      if (!circle.has(next) || seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return [first];
}

/** Returns the strongly connected components that contain a cycle (Tarjan's algorithm), each sorted by path. */
function circlesIn(graph: Graph): string[][] {
  const circles: string[][] = [];
  const stack: string[] = [];
  const numbers = new Map<string, number>();
  const closed = new Set<string>();

  /** Returns the number of the earliest file on the stack that is reachable from this one. */
  const visit = (file: string): number => {
    const number = numbers.size;
    numbers.set(file, number);
    stack.push(file);
    let lowest = number;
    for (const next of graph.get(file)?.keys() ?? []) {
      if (closed.has(next)) continue;
      lowest = Math.min(lowest, numbers.get(next) ?? visit(next));
    }
    if (lowest === number) {
      const component = stack.splice(stack.indexOf(file));
      for (const member of component) closed.add(member);
      if (component.length > 1 || graph.get(file)?.has(file)) circles.push(component.sort());
    }
    return lowest;
  };

  for (const file of graph.keys()) if (!numbers.has(file)) visit(file);
  return circles;
}
