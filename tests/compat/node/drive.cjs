// Calls that come as lines of JSON, made with the public SDK's core: its client, its signer.
// In: {"method", "url", "pathParams", "queryParams", "data"}; out: a line "answer" and the
// answer's JSON, or {"error"}; other lines are the client's own log.
const readline = require("node:readline");
const { ClientBuilder } = require("@huaweicloud/huaweicloud-sdk-core/ClientBuilder");
const {
  BasicCredentials,
} = require("@huaweicloud/huaweicloud-sdk-core/auth/BasicCredentials");

const [endpoint, ak, sk, project] = process.argv.slice(2);
const client = new ClientBuilder((made) => made, "BasicCredentials")
  .withCredential(new BasicCredentials().withAk(ak).withSk(sk).withProjectId(project))
  .withEndpoint(endpoint)
  .build();

async function call({ method, url, pathParams, queryParams, data }) {
  try {
    return await client.sendRequest({
      method,
      url,
      contentType: "application/json",
      pathParams: pathParams || {},
      queryParams: queryParams || {},
      headers: {},
      ...(data === undefined ? {} : { data }),
    });
  } catch (e) {
    return { error: { status: e.httpStatusCode, code: e.errorCode, message: e.errorMsg } };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`answer ${JSON.stringify(await call(JSON.parse(line)))}\n`);
  }
})();
