import OpenAI from 'openai';
import { v4 as uuidv4 } from 'uuid';

const client = new OpenAI({
  apiKey: 'your-api-key',
  baseURL: 'https://yourdomain.com/api/publicLLM',
  defaultHeaders: {
    'sessionId': uuidv4()
  }
});

// First message
const response1 = await client.chat.completions.create({
  model: 'gpt-4',
  messages: [
    { role: 'user', content: 'My name is Alice' }
  ]
});
console.log(response1.choices[0].message.content);

// Second message
const response2 = await client.chat.completions.create({
  model: 'gpt-4',
  messages: [
    { role: 'user', content: "What's my name?" }
  ]
});
console.log(response2.choices[0].message.content);
