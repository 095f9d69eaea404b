// Calls from standard input, made with the package `soap`. The README says what a line looks like.
"use strict";

const readline = require("node:readline");
const soap = require("soap");

/** What `soap` takes for a JSON value: it writes text and numbers as they are, and null as xsi:nil. */
function given(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(given);
  if ("$instant" in value) return value.$instant;
  if ("$bytes" in value) return value.$bytes;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, given(member)]));
}

async function main() {
  const client = await soap.createClientAsync(process.argv[2]);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const call = JSON.parse(line);
    let answer;
    try {
      const [reply] = await client[`${call.operation}Async`](given(call.arguments));
      answer = { reply: Object.values(reply ?? {})[0] };
    } catch (error) {
      const detail = error.root?.Envelope.Body.Fault.detail;
      if (!detail) throw error;
      answer = { fault: detail.serviceFault };
    }
    console.log(JSON.stringify(answer));
  }
}

main();
