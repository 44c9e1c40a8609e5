// Puts the file of the environment into a new knowledge store, waits until it is indexed, and reads everything back;
// prints one line of JSON.
import { createReadStream } from "node:fs";
import { TwelveLabs } from "twelvelabs-js";

const client = new TwelveLabs({ apiKey: process.env.KEY });
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

let asset = await client.assets.create({ method: "direct", file: createReadStream(process.env.FILE) });
while (asset.status === "processing") {
  await pause();
  asset = await client.assets.retrieve(asset.id);
}
const metadata = { team: "travel", city: "Lisboa" };
const store = await client.knowledgeStores.create({ name: "From JavaScript", metadata });
let item = await client.knowledgeStoreItems.create(store.id, { assetId: asset.id });
while (item.status !== "ready" && item.status !== "failed") {
  await pause();
  item = await client.knowledgeStoreItems.retrieve(store.id, item.id);
}
const stores = [];
for await (const one of await client.knowledgeStores.list({ pageLimit: 1 })) stores.push(one.id);
const items = [];
for await (const one of await client.knowledgeStoreItems.list(store.id)) items.push(one.id);
const input = [{ type: "message", role: "user", content: process.env.QUESTION }];
const answer = await client.responses.create({ knowledgeStoreId: store.id, input });
let refused;
try {
  await client.responses.create({ knowledgeStoreId: "ks_nothing", input });
} catch (error) {
  refused = { status: error.statusCode, code: error.body?.code };
}
const { text, annotations } = answer.output[0].content[0];
console.log(JSON.stringify({ asset, store, item, stores, items, text, annotations, refused }));
