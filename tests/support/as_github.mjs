// HTML as GitHub lets it through: the schema of rehype-sanitize follows GitHub's list. Beyond that
// list, GitHub leaves nothing of a style sheet in a notebook, as tables of pandas show.
import { rehype } from "rehype";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";

let html = "";
for await (const chunk of process.stdin) html += chunk;
const schema = { ...defaultSchema, strip: [...defaultSchema.strip, "style"] };
const pipeline = rehype().data("settings", { fragment: true }).use(rehypeSanitize, schema);
process.stdout.write(String(pipeline.processSync(html)));
