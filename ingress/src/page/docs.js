// Renders /openapi.json. Everything goes in as text, so nothing in the document can become markup.
'use strict';

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const part of [content].flat()) made.append(part);
  return made;
}

// An example value of a schema, with the document's components looked up; depth ends recursion.
function example(schema, components, depth = 0) {
  if (!schema || 6 < depth) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.$ref) return example(components[schema.$ref.split('/').pop()], components, depth + 1);
  const parts = schema.allOf;
  if (parts) return Object.assign({}, ...parts.map((part) => example(part, components, depth + 1)));
  const choice = (schema.oneOf || schema.anyOf || []).find((part) => part.type !== 'null');
  if (choice) return example(choice, components, depth + 1);
  if (schema.enum) return schema.enum[0];
  const type = [schema.type].flat().find((name) => name !== 'null');
  if (type === 'array') return [example(schema.items, components, depth + 1)];
  if (type === 'object' || schema.properties) {
    const members = Object.entries(schema.properties || {});
    return Object.fromEntries(members.map(([key, member]) => [key, example(member, components, depth + 1)]));
  }
  return { string: 'text', integer: 0, number: 0, boolean: false }[type] ?? null;
}

function body(content, components) {
  return Object.entries(content || {}).map(([type, media]) => {
    const text = JSON.stringify(example(media.schema, components), null, 2);
    return element('div', [element('code', type), element('pre', text)]);
  });
}

function table(rows) {
  return element('table', rows.map((row) => element('tr', row.map((cell) => element('td', cell)))));
}

function operation(method, path, described, components) {
  const summary = element('summary', [
    element('span', method, { class: 'method' }), element('code', path), ` ${described.summary || ''}`,
  ]);
  const parts = [summary];
  if (described.description) parts.push(element('p', described.description));
  const parameters = described.parameters || [];
  if (parameters.length) {
    const row = (one) => [element('code', one.name), one.in, one.required ? 'required' : '', one.description || ''];
    parts.push(element('h4', 'Parameters'), table(parameters.map(row)));
  }
  if (described.requestBody) {
    parts.push(element('h4', 'Body'), ...body(described.requestBody.content, components));
  }
  parts.push(element('h4', 'Answers'));
  for (const [status, answer] of Object.entries(described.responses || {})) {
    parts.push(element('p', [element('strong', status), ` ${answer.description || ''}`]));
    parts.push(...body(answer.content, components));
  }
  return element('details', parts);
}

async function show() {
  const answer = await fetch('/openapi.json');
  const api = await answer.json();
  const components = (api.components || {}).schemas || {};
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const group = (described.tags || ['other'])[0];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(operation(method, path, described, components));
    }
  }
  document.getElementById('about').textContent = `${api.info.description} (version ${api.info.version})`;
  const routes = document.getElementById('routes');
  for (const [group, operations] of groups) routes.append(element('h2', group), ...operations);
}

show().catch((error) => {
  document.getElementById('about').textContent = `The description could not be read: ${error.message}`;
});
