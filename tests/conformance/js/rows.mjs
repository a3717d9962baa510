// Everything that the original service's JavaScript client is asked to do, each a row of the
// answer.
//
// Standard input: where the instances are, who the owner is, the evidence. Standard output: one
// JSON object, with what each row gave or the error that it threw. What that should be, the tests
// say.

import { createHash, webcrypto, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

import {
  AttestationAdministrationClient,
  AttestationClient,
  createAttestationPolicyToken,
} from "@azure/attestation";

// The client's libraries want what Node.js 18, which Debian 12 has, does not make global.
globalThis.crypto ??= webcrypto;

const given = JSON.parse(readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const runtimeData = bytes(given.runtimeData);
const evidence = {
  attestSgxEnclave: bytes(given.quote),
  attestOpenEnclave: bytes(given.report),
};
const types = ["SgxEnclave", "OpenEnclave", "Tpm"];

// As the client library wants a credential: whatever is asked for, the token.
const credentialOf = (token) => ({
  getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }),
});
const credential = credentialOf(given.token);

function validation(instance, more = {}) {
  return {
    validationOptions: {
      validateToken: true,
      validateExpirationTime: true,
      validateNotBeforeTime: true,
      validateIssuer: true,
      expectedIssuer: given.instances[instance],
      ...more,
    },
  };
}

const administration = Object.fromEntries(
  Object.entries(given.instances).map(([name, url]) => [
    name,
    new AttestationAdministrationClient(url, credential),
  ]),
);

// A signer for the operations that take one among their options.
const signedBy = ({ key, certificate }) => ({ privateKey: key, certificate });

const rows = {};

async function row(name, run) {
  try {
    rows[name] = { value: await run() };
  } catch (error) {
    const { name: kind, message, code, statusCode } = error;
    rows[name] = { error: { kind, message, code, statusCode } };
  }
}

function base64(data) {
  return data === undefined ? undefined : Buffer.from(data).toString("base64");
}

const certificatesOf = (signer) =>
  signer.certificates.map((pem) => new X509Certificate(pem).raw.toString("base64"));

function shownResult({ token, body }) {
  return {
    algorithm: token.algorithm,
    issuer: body.issuer,
    uniqueId: body.uniqueId,
    version: body.version,
    verifierType: body.verifierType,
    isDebuggable: body.isDebuggable,
    mrEnclave: body.mrEnclave,
    enclaveHeldData: base64(body.enclaveHeldData),
    runTimeClaims: body.runTimeClaims,
    sgxCollateral: body.sgxCollateral,
    policyHash: base64(body.policyHash),
  };
}

function shownChange({ token, body }, sent) {
  return {
    algorithm: token.algorithm,
    resolution: body.policyResolution,
    hash: base64(body.policyTokenHash),
    // What the client would send; ECDSA signs differently each time.
    expectedHash: sent && createHash("sha256").update(sent.serialize()).digest("base64"),
    signer: body.policySigner && certificatesOf(body.policySigner),
  };
}

async function attestationRows(instance) {
  const url = given.instances[instance];
  const clients = {
    anonymous: new AttestationClient(url),
    authenticated: new AttestationClient(url, credential),
  };
  await row(`getAttestationSigners ${instance}`, async () => {
    const signers = await clients.anonymous.getAttestationSigners();
    return signers.map(({ keyId, certificates: [first] }) => ({
      keyId,
      subject: new X509Certificate(first).subject,
    }));
  });
  await row(`getOpenIdMetadata ${instance}`, () => clients.authenticated.getOpenIdMetadata());
  const ways = {
    binary: { runTimeData: runtimeData },
    json: { runTimeJson: runtimeData },
    "binary draft": { runTimeData: runtimeData, draftPolicyForAttestation: given.permit },
    "json draft": { runTimeJson: runtimeData, draftPolicyForAttestation: given.permit },
    denied: { runTimeData: runtimeData, draftPolicyForAttestation: given.deny },
  };
  for (const [operation, quote] of Object.entries(evidence)) {
    for (const [caller, client] of Object.entries(clients)) {
      for (const [way, options] of Object.entries(ways)) {
        await row(`${operation} ${instance} ${caller} ${way}`, async () =>
          shownResult(await client[operation](quote, { ...options, ...validation(instance) })),
        );
      }
    }
  }
}

async function validationRows() {
  const client = new AttestationClient(given.instances.aad, credential);
  const attest = (instance, more) =>
    client.attestSgxEnclave(evidence.attestSgxEnclave, {
      runTimeData: runtimeData,
      ...validation(instance, more),
    });
  await row("validation callback", async () => {
    const seen = [];
    await attest("aad", {
      validateAttestationToken: (token, signer) => {
        const expires = token.expiresOn !== undefined;
        seen.push({ issuer: token.issuer, expires, signed: token.keyId === signer?.keyId });
      },
    });
    return seen;
  });
  await row("validation callback that rejects", () =>
    attest("aad", { validateAttestationToken: () => ["not this one"] }),
  );
  await row("validation of another issuer", () => attest("shared"));
}

async function tpmRows() {
  const client = new AttestationClient(given.instances.aad, credential);
  const begin = async () =>
    JSON.parse(await client.attestTpm(JSON.stringify({ payload: { type: "aikcert" } })));
  await row("attestTpm without a policy", begin);
  await administration.aad.setPolicy("Tpm", given.permit, validation("aad"));
  await row("attestTpm", begin);
  await administration.aad.resetPolicy("Tpm", validation("aad"));
}

async function policyRows(instance) {
  const client = administration[instance];
  for (const type of types) {
    await row(`getPolicy ${instance} ${type}`, async () => {
      const { token, body } = await client.getPolicy(type, validation(instance));
      return { algorithm: token.algorithm, policy: body };
    });
  }
}

async function changeRows(instance, who, signer, changed) {
  const client = administration[instance];
  const options = { ...signer, ...validation(instance) };
  for (const type of changed) {
    const name = `${instance} ${who} ${type}`;
    const read = async () => (await client.getPolicy(type, validation(instance))).body;
    await row(`setPolicy ${name}`, async () => {
      const { privateKey, certificate } = signer;
      const again = createAttestationPolicyToken(given.permit, privateKey, certificate);
      return shownChange(await client.setPolicy(type, given.permit, options), again);
    });
    await row(`getPolicy after setPolicy ${name}`, read);
    await row(`resetPolicy ${name}`, async () =>
      shownChange(await client.resetPolicy(type, options)),
    );
    await row(`getPolicy after resetPolicy ${name}`, read);
  }
}

// The client exports tokens but not their class, which its own tests reach inside the package.
const { constructor: AttestationToken } = createAttestationPolicyToken(given.permit);

async function tokenRows() {
  const body = JSON.stringify({ a: "b" });
  const { owner, ec } = given.signers;
  const made = {
    unsecured: { body },
    "unsecured empty": {},
    "secured by owner": { body, ...signedBy(owner) },
    "secured by ec": { body, ...signedBy(ec) },
    "secured empty by owner": signedBy(owner),
  };
  for (const [name, parts] of Object.entries(made)) {
    await row(`token ${name}`, () => {
      const token = AttestationToken.create(parts);
      return { text: token.serialize(), body: token.getBody(), problems: token.getTokenProblems() };
    });
  }
  await row("token changed after it was signed", () => {
    const parts = AttestationToken.create(made["secured by owner"]).serialize().split(".");
    parts[1] = Buffer.from(JSON.stringify({ a: "c" })).toString("base64url");
    return new AttestationToken(parts.join(".")).getTokenProblems();
  });
}

async function judgedTokenRows() {
  const judge = (name, [starts, ends], options = {}) =>
    row(`token ${name}`, () => {
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: "issuer", nbf: now + starts, iat: now + starts, exp: now + ends };
      const { validationOptions } = validation("aad", { expectedIssuer: "issuer", ...options });
      const token = AttestationToken.create({ body: JSON.stringify(claims) });
      return token.getTokenProblems(undefined, validationOptions);
    });
  await judge("of now", [0, 60]);
  await judge("of another issuer", [0, 60], { expectedIssuer: "another" });
  await judge("that the callback rejects", [0, 60], {
    validateAttestationToken: () => ["not this one"],
  });
  const past = [-120, -60];
  const future = [60, 120];
  await judge("expired", past);
  await judge("not yet valid", future);
  await judge("expired within the slack", past, { timeValidationSlack: 120 });
  await judge("not yet valid within the slack", future, { timeValidationSlack: 120 });
}

async function mismatchRows() {
  const client = administration.aad;
  const { owner, stranger } = given.signers;
  const wrong = {
    "key of another certificate": { privateKey: stranger.key, certificate: owner.certificate },
    "key without certificate": { privateKey: owner.key },
    "certificate without key": { certificate: owner.certificate },
  };
  for (const [name, options] of Object.entries(wrong)) {
    await row(`setPolicy ${name}`, () => client.setPolicy("SgxEnclave", given.permit, options));
    await row(`resetPolicy ${name}`, () => client.resetPolicy("SgxEnclave", options));
  }
}

async function certificateRows(instance) {
  const client = administration[instance];
  const { owner, stranger, successor } = given.signers;
  const change = async (name, operation, { key, certificate } = owner) =>
    row(`${name} ${instance}`, async () => {
      const options = validation(instance);
      const { body } = await client[operation](successor.certificate, key, certificate, options);
      return { resolution: body.certificateResolution, thumbprint: body.certificateThumbprint };
    });
  const list = (name) =>
    row(`${name} ${instance}`, async () => {
      const { body } = await client.getPolicyManagementCertificates(validation(instance));
      return body.flatMap(certificatesOf);
    });
  await list("getPolicyManagementCertificates");
  await change("addPolicyManagementCertificate", "addPolicyManagementCertificate");
  await change("addPolicyManagementCertificate again", "addPolicyManagementCertificate");
  await list("getPolicyManagementCertificates after adding");
  await change("removePolicyManagementCertificate", "removePolicyManagementCertificate");
  await change("removePolicyManagementCertificate again", "removePolicyManagementCertificate");
  await list("getPolicyManagementCertificates after removing");
  const add = "addPolicyManagementCertificate";
  await change(`${add} by a stranger`, add, stranger);
}

for (const instance of Object.keys(given.instances)) {
  await attestationRows(instance);
  await policyRows(instance);
  await certificateRows(instance);
}
const { owner, stranger, ec } = given.signers;
await changeRows("aad", "unsigned", {}, types);
await changeRows("aad", "stranger", signedBy(stranger), types);
await changeRows("aad", "ec", signedBy(ec), ["SgxEnclave"]);
await changeRows("isolated", "owner", signedBy(owner), types);
await changeRows("isolated", "stranger", signedBy(stranger), ["SgxEnclave"]);
await changeRows("isolated", "unsigned", {}, ["SgxEnclave"]);
await changeRows("shared", "unsigned", {}, ["SgxEnclave"]);
await changeRows("shared", "owner", signedBy(owner), ["SgxEnclave"]);
await mismatchRows();
await validationRows();
await tpmRows();
await tokenRows();
await judgedTokenRows();
await row("getPolicy with a stranger's token", () => {
  const { instances, strangersToken } = given;
  const strangers = credentialOf(strangersToken);
  return new AttestationAdministrationClient(instances.aad, strangers).getPolicy("SgxEnclave");
});
await row("setPolicy that is none", () => administration.aad.setPolicy("SgxEnclave", "nonsense"));
console.log(JSON.stringify(rows));
