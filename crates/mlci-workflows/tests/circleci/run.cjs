// Reads a configuration with CircleCI's own parser, checks what that parser and the schema miss, and runs the workflow
// under an interpreter of ours. It is not CircleCI: it shows that the steps run in the right order, on what was
// persisted, with the right contexts, on the right branch. Whatever it does not know is an error.
//
// Arguments: the configuration, the repository to check out, a folder to work in, the branch, what a person answers
// (approve, or nothing yet: wait), and a JSON file with the contexts.
const { spawnSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const YAML = require("yaml");
const { parseConfig } = require("@circleci/circleci-config-parser");

const [file, repository, work, branch, answer, contextsFile] = process.argv.slice(2);
const contexts = JSON.parse(fs.readFileSync(contextsFile, "utf8"));

class Broken extends Error {}
const only = (what, value, known) => {
  for (const key of Object.keys(value ?? {})) if (!known.includes(key)) throw new Broken(`${what}: unknown key ${key}`);
};

// Pipeline values and parameters are put in before anything runs; none is used here, so an unescaped one is a fault.
function compile(value) {
  if (typeof value === "string") {
    if (/(^|[^\\])<</.test(value)) throw new Broken(`a template that this interpreter does not know: ${value}`);
    return value.replaceAll("\\<<", "<<");
  }
  if (Array.isArray(value)) return value.map(compile);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, compile(v)]));
  return value;
}

const cacheKey = (text, here) =>
  text.replace(/\{\{\s*(.*?)\s*\}\}/g, (_, expression) => {
    if (expression === "arch") return "arch1-linux-amd64-6_85";
    const sum = /^checksum "([^"]+)"$/.exec(expression);
    if (!sum) throw new Broken(`a cache template that this interpreter does not know: ${expression}`);
    return createHash("sha256").update(fs.readFileSync(path.join(here, sum[1]))).digest("base64");
  });

const copy = (from, to) => {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.cpSync(from, to, { recursive: true });
};

const steps = {
  checkout: (_, job) => {
    const done = spawnSync("git", ["clone", "--quiet", repository, job.here], { stdio: "inherit" });
    if (done.status !== 0) throw new Error("checkout failed");
  },
  restore_cache: ({ keys, ...rest }, job) => {
    only("restore_cache", rest, []);
    const saved = fs.existsSync(job.caches) ? JSON.parse(fs.readFileSync(path.join(job.caches, "list"), "utf8")) : [];
    for (const key of keys.map((key) => cacheKey(key, job.here))) {
      const found = saved.findLast((name) => name.startsWith(key));
      if (found === undefined) continue;
      console.log(`cache ${found}`);
      return copy(path.join(job.caches, String(saved.indexOf(found))), job.here);
    }
  },
  save_cache: ({ key, paths, ...rest }, job) => {
    only("save_cache", rest, []);
    const list = path.join(job.caches, "list");
    const saved = fs.existsSync(list) ? JSON.parse(fs.readFileSync(list, "utf8")) : [];
    const name = cacheKey(key, job.here);
    if (saved.includes(name)) return;
    for (const item of paths) if (fs.existsSync(path.join(job.here, item))) copy(path.join(job.here, item), path.join(job.caches, String(saved.length), item));
    fs.writeFileSync(list, JSON.stringify([...saved, name]));
  },
  attach_workspace: ({ at, ...rest }, job) => {
    only("attach_workspace", rest, []);
    for (const layer of job.layers) copy(layer, path.join(job.here, at));
  },
  persist_to_workspace: ({ root, paths, ...rest }, job) => {
    only("persist_to_workspace", rest, []);
    const found = paths.filter((item) => fs.existsSync(path.join(job.here, root, item)));
    if (found.length === 0) throw new Error("the paths did not match any file");
    for (const item of found) copy(path.join(job.here, root, item), path.join(work, "workspaces", job.name, item));
  },
  store_artifacts: ({ path: from, destination, ...rest }, job) => {
    only("store_artifacts", rest, []);
    if (fs.existsSync(path.join(job.here, from))) copy(path.join(job.here, from), path.join(work, "artifacts", job.name, destination));
  },
  run: ({ name, command, no_output_timeout, ...rest }, job) => {
    only("run", rest, []);
    if (!name || !command || !/^\d+m$/.test(no_output_timeout)) throw new Broken(`run: ${JSON.stringify({ name, no_output_timeout })}`);
    // CircleCI's default shell.
    const done = spawnSync("bash", ["-eo", "pipefail", "-c", command], { cwd: job.here, env: { ...process.env, CI: "true", CIRCLECI: "true", ...job.secrets }, encoding: "utf8" });
    process.stdout.write(done.stdout + done.stderr);
    if (done.status !== 0) throw new Error(`Exited with code exit status ${done.status}`);
  },
};

function runJob(name, node, use, layers) {
  only(`job ${name}`, node, ["docker", "steps"]);
  if (!Array.isArray(node.docker) || node.docker.some((image) => typeof image.image !== "string")) throw new Broken(`job ${name} has no image`);
  const secrets = {};
  for (const context of use.context ?? []) {
    if (!contexts[context]) throw new Broken(`job ${name}: no context ${context}`);
    Object.assign(secrets, contexts[context]);
  }
  const job = { name, layers, secrets, here: path.join(work, "jobs", name), caches: path.join(path.dirname(work), "caches") };
  let failure;
  for (const step of node.steps) {
    const [kind, values] = typeof step === "string" ? [step, {}] : Object.entries(step)[0];
    if (!steps[kind] || (typeof step !== "string" && Object.keys(step).length !== 1)) throw new Broken(`job ${name}: unknown step ${kind}`);
    // Artifacts are stored after a failure too.
    if (failure && kind !== "store_artifacts") continue;
    try {
      steps[kind](values, job);
    } catch (error) {
      if (error instanceof Broken) throw error;
      console.log(`job ${name}: ${error.message}`);
      failure = error;
    }
  }
  return failure ? "failed" : "success";
}

function graph(config) {
  const uses = new Map();
  for (const entry of config.workflows.mlci.jobs) {
    const [name, use] = typeof entry === "string" ? [entry, {}] : Object.entries(entry)[0];
    if (uses.has(name)) throw new Broken(`${name} stands twice`);
    only(`workflow job ${name}`, use, ["type", "requires", "context", "serial-group", "filters"]);
    if ((use.type === "approval") === name in config.jobs) throw new Broken(`${name} has to be a job or an approval`);
    uses.set(name, use);
  }
  const order = [];
  const visit = (name, trail) => {
    if (!uses.has(name)) throw new Broken(`${trail.at(-1)} requires ${name}, which is not in the workflow`);
    if (trail.includes(name)) throw new Broken(`a circle: ${[...trail, name].join(" -> ")}`);
    for (const need of uses.get(name).requires ?? []) visit(need, [...trail, name]);
    if (!order.includes(name)) order.push(name);
  };
  for (const name of uses.keys()) visit(name, []);
  return { uses, order };
}

try {
  const text = fs.readFileSync(file, "utf8");
  parseConfig(text);
  const config = compile(YAML.parse(text));
  only("configuration", config, ["version", "jobs", "workflows"]);
  only("workflows", config.workflows, ["mlci"]);
  const { uses, order } = graph(config);
  const results = {};
  const above = (name) => (uses.get(name).requires ?? []).flatMap((need) => [...above(need), need]);
  for (const name of order) {
    const use = uses.get(name);
    only(`filters of ${name}`, use.filters, ["branches"]);
    const branches = use.filters?.branches?.only ?? [branch];
    if (!branches.includes(branch) || (use.requires ?? []).some((need) => results[need] !== "success")) continue;
    if (use.type === "approval") results[name] = answer === "approve" ? "success" : "on hold";
    else {
      const layers = above(name).map((need) => path.join(work, "workspaces", need)).filter((layer) => fs.existsSync(layer));
      results[name] = runJob(name, config.jobs[name], use, layers);
    }
    console.log(`job ${name}: ${results[name]}`);
  }
  process.exitCode = Object.values(results).includes("failed") ? 1 : 0;
} catch (error) {
  console.log(`INVALID: ${error.stack}`);
  process.exitCode = 2;
}
