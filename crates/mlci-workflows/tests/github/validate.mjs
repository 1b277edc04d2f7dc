// Reads a workflow with GitHub's own parser and language service; prints what they found, and the jobs as data.
import { readFileSync } from "node:fs";
import { parseWorkflow, NoOperationTraceWriter, convertWorkflowTemplate } from "@actions/workflow-parser";
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";

const path = process.argv[2];
const content = readFileSync(path, "utf8");
const errors = [];
const parsed = parseWorkflow({ name: path, content }, new NoOperationTraceWriter());
for (const error of parsed.context.errors.getErrors()) errors.push(`parser: ${error.message}`);
let jobs = [];
if (parsed.value) {
  const template = await convertWorkflowTemplate(parsed.context, parsed.value);
  for (const error of template.errors ?? []) errors.push(`model: ${error.Message ?? error.message}`);
  jobs = (template.jobs ?? []).map((job) => ({
    id: job.id.value,
    needs: (job.needs ?? []).map((need) => need.value),
    environment: job.environment === undefined ? null : JSON.stringify(job.environment),
    concurrency: job.concurrency === undefined ? null : JSON.stringify(job.concurrency),
    condition: job.if?.expression ?? null,
    steps: job.steps.map((step) => step.uses?.value ?? "run"),
  }));
}
const document = TextDocument.create("file:///" + path, "yaml", 1, content);
for (const found of await validate(document)) errors.push(`service: line ${found.range.start.line + 1}: ${found.message}`);
console.log(JSON.stringify({ errors, jobs }));
