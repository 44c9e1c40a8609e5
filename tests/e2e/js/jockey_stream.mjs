// Asks the questions of the environment one after the other in one session, streamed, and prints what came: one line of
// JSON a question.
import { TwelveLabs } from "twelvelabs-js";

const client = new TwelveLabs({ apiKey: process.env.KEY });
const knowledgeStoreId = process.env.STORE;
let sessionId;
for (const content of JSON.parse(process.env.QUESTIONS)) {
  const input = [{ type: "message", role: "user", content }];
  const types = [];
  let said = "";
  let response;
  for await (const event of await client.responses.createStream({ knowledgeStoreId, sessionId, input })) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") said += event.delta;
    if (event.type === "response.completed") response = event.response;
  }
  sessionId = response.sessionId;
  const { text, annotations } = response.output[0].content[0];
  console.log(JSON.stringify({ types, said, text, annotations, sessionId }));
}
