const sessionId = crypto.randomUUID();
const apiKey = 'your-api-key';
const baseUrl = 'https://yourdomain.com/api/publicLLM';

const headers = {
  'Authorization': `Bearer ${apiKey}`,
  'sessionId': sessionId,
  'Content-Type': 'application/json'
};

// First request
const response1 = await fetch(baseUrl, {
  method: 'POST',
  headers,
  body: JSON.stringify({
    model: 'gpt-4',
    messages: [
      { role: 'user', content: 'My name is Alice' }
    ]
  })
});
const data1 = await response1.json();
console.log(data1.choices[0].message.content);

// Second request - same session
const response2 = await fetch(baseUrl, {
  method: 'POST',
  headers,
  body: JSON.stringify({
    model: 'gpt-4',
    messages: [
      { role: 'user', content: "What's my name?" }
    ]
  })
});
const data2 = await response2.json();
console.log(data2.choices[0].message.content);
