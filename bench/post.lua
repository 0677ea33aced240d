-- wrk: POST the JSON file named in $BODY; print what the benchmark reads.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()
function done(summary, latency, requests)
  io.write(string.format("RESULT %.1f %.0f %.0f %d %d\n", summary.requests / (summary.duration / 1e6), latency:percentile(50),
    latency:percentile(99), summary.requests,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.status))
end
