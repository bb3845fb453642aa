/**
 * The properties of librdkafka: name, who uses it (C consumers, P producers), type, and range or words. Generated from
 * librdkafka's own CONFIGURATION.md by `npm run reference`; `old` is deprecated, `call` can be set by programs only.
 */
export const propertyTable = `
builtin.features CP text
client.id CP text
metadata.broker.list CP text
bootstrap.servers CP text
message.max.bytes CP integer 1000..1000000000
message.copy.max.bytes CP integer 0..1000000000
receive.message.max.bytes CP integer 1000..2147483647
max.in.flight.requests.per.connection CP integer 1..1000000
max.in.flight CP integer 1..1000000
metadata.recovery.strategy CP words none,rebootstrap
metadata.recovery.rebootstrap.trigger.ms CP integer 0..2147483647
topic.metadata.refresh.interval.ms CP integer -1..3600000
metadata.max.age.ms CP integer 1..86400000
topic.metadata.refresh.fast.interval.ms CP integer 1..60000
topic.metadata.refresh.fast.cnt CP old
topic.metadata.refresh.sparse CP flag
topic.metadata.propagation.max.ms CP integer 0..3600000
topic.blacklist CP text
debug CP text
socket.timeout.ms CP integer 10..300000
socket.blocking.max.ms CP old
socket.send.buffer.bytes CP integer 0..100000000
socket.receive.buffer.bytes CP integer 0..100000000
socket.keepalive.enable CP flag
socket.nagle.disable CP flag
socket.max.fails CP integer 0..1000000
broker.address.ttl CP integer 0..86400000
broker.address.family CP words any,v4,v6
socket.connection.setup.timeout.ms CP integer 1000..2147483647
connections.max.idle.ms CP integer 0..2147483647
reconnect.backoff.jitter.ms CP old
reconnect.backoff.ms CP integer 0..3600000
reconnect.backoff.max.ms CP integer 0..3600000
statistics.interval.ms CP integer 0..86400000
enabled_events CP integer 0..2147483647
error_cb CP call
throttle_cb CP call
stats_cb CP call
log_cb CP call
log_level CP integer 0..7
log.queue CP flag
log.thread.name CP flag
enable.random.seed CP flag
log.connection.close CP flag
background_event_cb CP call
socket_cb CP call
connect_cb CP call
closesocket_cb CP call
open_cb CP call
resolve_cb CP call
opaque CP call
default_topic_conf CP call
internal.termination.signal CP integer 0..128
api.version.request CP old
api.version.request.timeout.ms CP integer 1..300000
api.version.fallback.ms CP old
broker.version.fallback CP old
allow.auto.create.topics CP flag
security.protocol CP words plaintext,ssl,sasl_plaintext,sasl_ssl
ssl.cipher.suites CP text
ssl.curves.list CP text
ssl.sigalgs.list CP text
ssl.key.location CP text
ssl.key.password CP text
ssl.key.pem CP text
ssl_key CP call
ssl.certificate.location CP text
ssl.certificate.pem CP text
ssl_certificate CP call
ssl.ca.location CP text
https.ca.location CP text
https.ca.pem CP text
ssl.ca.pem CP text
ssl_ca CP call
ssl.ca.certificate.stores CP text
ssl.crl.location CP text
ssl.keystore.location CP text
ssl.keystore.password CP text
ssl.providers CP text
ssl.engine.location CP old
ssl.engine.id CP text
ssl_engine_callback_data CP call
enable.ssl.certificate.verification CP flag
ssl.endpoint.identification.algorithm CP words none,https
ssl.certificate.verify_cb CP call
sasl.mechanisms CP text
sasl.mechanism CP text
sasl.kerberos.service.name CP text
sasl.kerberos.principal CP text
sasl.kerberos.keytab CP text
sasl.kerberos.min.time.before.relogin CP integer 0..86400000
sasl.username CP text
sasl.password CP text
sasl.oauthbearer.config CP text
enable.sasl.oauthbearer.unsecure.jwt CP flag
oauthbearer_token_refresh_cb CP call
sasl.oauthbearer.method CP words default,oidc
sasl.oauthbearer.client.id CP text
sasl.oauthbearer.client.credentials.client.id CP text
sasl.oauthbearer.client.credentials.client.secret CP text
sasl.oauthbearer.client.secret CP text
sasl.oauthbearer.scope CP text
sasl.oauthbearer.extensions CP text
sasl.oauthbearer.token.endpoint.url CP text
sasl.oauthbearer.sub.claim.name CP text
sasl.oauthbearer.grant.type CP words client_credentials,urn:ietf:params:oauth:grant-type:jwt-bearer
sasl.oauthbearer.assertion.algorithm CP words RS256,ES256
sasl.oauthbearer.assertion.private.key.file CP text
sasl.oauthbearer.assertion.private.key.passphrase CP text
sasl.oauthbearer.assertion.private.key.pem CP text
sasl.oauthbearer.assertion.file CP text
sasl.oauthbearer.assertion.claim.aud CP text
sasl.oauthbearer.assertion.claim.exp.seconds CP integer 1..2147483647
sasl.oauthbearer.assertion.claim.iss CP text
sasl.oauthbearer.assertion.claim.jti.include CP flag
sasl.oauthbearer.assertion.claim.nbf.seconds CP integer 0..2147483647
sasl.oauthbearer.assertion.claim.sub CP text
sasl.oauthbearer.assertion.jwt.template.file CP text
sasl.oauthbearer.metadata.authentication.type CP words none,azure_imds,aws_iam
plugin.library.paths CP text
interceptors CP call
group.id C text
group.instance.id C text
partition.assignment.strategy C text
session.timeout.ms C integer 1..3600000
heartbeat.interval.ms C integer 1..3600000
group.protocol.type C text
group.protocol C words classic,consumer
group.remote.assignor C text
coordinator.query.interval.ms C integer 1..3600000
max.poll.interval.ms C integer 1..86400000
enable.auto.commit C flag
auto.commit.interval.ms C integer 0..86400000
enable.auto.offset.store C flag
queued.min.messages C integer 1..10000000
queued.max.messages.kbytes C integer 1..2097151
fetch.wait.max.ms C integer 0..300000
fetch.queue.backoff.ms C integer 0..300000
fetch.message.max.bytes C integer 1..1000000000
max.partition.fetch.bytes C integer 1..1000000000
fetch.max.bytes C integer 0..2147483135
fetch.min.bytes C integer 0..2147483647
fetch.error.backoff.ms C integer 0..300000
offset.store.method C old
isolation.level C words read_uncommitted,read_committed
consume_cb C call
rebalance_cb C call
offset_commit_cb C call
enable.partition.eof C flag
check.crcs C flag
client.rack CP text
max.poll.records C integer 1..2147483647
share.acknowledgement.mode C text
transactional.id P text
transaction.timeout.ms P integer 1000..2147483647
enable.idempotence P flag
enable.gapless.guarantee P flag
queue.buffering.max.messages P integer 0..2147483647
queue.buffering.max.kbytes P integer 1..2147483647
queue.buffering.max.ms P number 0..900000
linger.ms P number 0..900000
message.send.max.retries P integer 0..2147483647
retries P integer 0..2147483647
retry.backoff.ms CP integer 1..300000
retry.backoff.max.ms CP integer 1..300000
queue.buffering.backpressure.threshold P integer 1..1000000
compression.codec P words none,gzip,snappy,lz4,zstd
compression.type P words none,gzip,snappy,lz4,zstd
batch.num.messages P integer 1..1000000
batch.size P integer 1..2147483647
delivery.report.only.error P flag
dr_cb P call
dr_msg_cb P call
sticky.partitioning.linger.ms P integer 0..900000
client.dns.lookup CP words use_all_dns_ips,resolve_canonical_bootstrap_servers_only
enable.metrics.push CP flag
request.required.acks P integer -1..1000
acks P integer -1..1000
request.timeout.ms P integer 1..900000
message.timeout.ms P integer 0..2147483647
delivery.timeout.ms P integer 0..2147483647
queuing.strategy P words fifo,lifo
produce.offset.report P old
partitioner P text
partitioner_cb P call
msg_order_cmp P call
compression.level P integer -1..12
auto.commit.enable C old
auto.offset.reset C words smallest,earliest,beginning,largest,latest,end,error
offset.store.path C old
offset.store.sync.interval.ms C old
consume.callback.max.messages C integer 0..1000000
`;
