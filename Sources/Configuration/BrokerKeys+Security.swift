// Keys of a node that concern security, quotas, remote storage and the tuning of threads. Columns as in `KeyTable`.

let securityKeys = """
# Security and quotas: not built yet, and refused, for their silent absence would be a hole
authorizer.class.name | string | "" | | r | refused | The class that authorizes.
super.users | string | "" | | r | refused | Users that may do everything.
allow.everyone.if.no.acl.found | bool | false | | r | refused | Whether what no rule speaks of is allowed.
principal.builder.class | ~string | | | r | refused | The class that makes principals.
sasl.enabled.mechanisms | list | GSSAPI | | b | refused | The SASL mechanisms that are offered.
sasl.mechanism.inter.broker.protocol | string | GSSAPI | | b | refused | The SASL mechanism among brokers.
sasl.mechanism.controller.protocol | string | GSSAPI | | r | refused | The SASL mechanism to the controllers.
sasl.jaas.config | ~password | | | b | refused | Settings of the SASL mechanisms.
sasl.server.callback.handler.class | ~string | | | r | refused | A class that checks credentials.
sasl.login.callback.handler.class | ~string | | | r | refused | A class that supplies credentials.
sasl.login.class | ~string | | | r | refused | A class that logs in.
sasl.client.callback.handler.class | ~string | | | r | refused | A class that supplies credentials.
sasl.kerberos.service.name | ~string | | | b | refused | The Kerberos name of the service.
sasl.kerberos.principal.to.local.rules | list | DEFAULT | | b | refused | How Kerberos names become user names.
sasl.server.max.receive.size | int | 524288 | | r | refused | The largest SASL message.
sasl.oauthbearer.jwks.endpoint.url | ~string | | | r | refused | Where the keys of token issuers are.
sasl.oauthbearer.token.endpoint.url | ~string | | | r | refused | Where tokens come from.
sasl.oauthbearer.expected.audience | ~list | | | r | refused | The audience that tokens must name.
sasl.oauthbearer.expected.issuer | ~string | | | r | refused | The issuer that tokens must name.
ssl.client.auth | string | none | required,requested,none | b | refused | Whether clients must show a certificate.
ssl.keystore.location | ~string | | | b | refused | The file with the own certificate and key.
ssl.keystore.password | ~password | | | b | refused | The password of that file.
ssl.keystore.type | string | JKS | | b | refused | The form of that file.
ssl.keystore.key | ~password | | | b | refused | The private key itself.
ssl.keystore.certificate.chain | ~password | | | b | refused | The certificates themselves.
ssl.key.password | ~password | | | b | refused | The password of the private key.
ssl.truststore.location | ~string | | | b | refused | The file with the trusted certificates.
ssl.truststore.password | ~password | | | b | refused | The password of that file.
ssl.truststore.type | string | JKS | | b | refused | The form of that file.
ssl.truststore.certificates | ~password | | | b | refused | The trusted certificates themselves.
ssl.protocol | string | TLSv1.3 | | b | refused | The version of TLS.
ssl.enabled.protocols | list | TLSv1.2,TLSv1.3 | | b | refused | The versions of TLS that are offered.
ssl.cipher.suites | list | "" | | b | refused | The ciphers that are offered.
ssl.endpoint.identification.algorithm | string | https | | b | refused | How host names are checked.
ssl.principal.mapping.rules | string | DEFAULT | | r | refused | How certificate names become user names.
ssl.provider | ~string | | | b | refused | The provider of TLS.
ssl.secure.random.implementation | ~string | | | b | refused | The random source of TLS.
ssl.keymanager.algorithm | string | SunX509 | | b | refused | How keys are managed.
ssl.trustmanager.algorithm | string | PKIX | | b | refused | How trust is managed.
ssl.engine.factory.class | ~string | | | b | refused | A class that makes TLS engines.
ssl.allow.dn.changes | bool | false | | r | refused | Whether a new certificate may have another name.
ssl.allow.san.changes | bool | false | | r | refused | Whether a new certificate may have other host names.
security.providers | ~string | | | r | refused | Classes of security providers.
delegation.token.secret.key | ~password | | | r | refused | The secret that delegation tokens are signed with.
delegation.token.max.lifetime.ms | long | 604800000 | 1.. | r | refused | The longest life of a token.
delegation.token.expiry.time.ms | long | 86400000 | 1.. | r | refused | The life of a token that is not renewed.
delegation.token.expiry.check.interval.ms | long | 3600000 | 1.. | r | refused | How often old tokens are looked for.
client.quota.callback.class | ~string | | | r | refused | A class that gives quotas.
quota.window.num | int | 11 | 1.. | r | later | Samples of a quota.
quota.window.size.seconds | int | 1 | 1.. | r | later | The length of a sample.
controller.quota.window.num | int | 11 | 1.. | r | later | Samples of the quota of the controller.
controller.quota.window.size.seconds | int | 1 | 1.. | r | later | The length of such a sample.
replication.quota.window.num | int | 11 | 1.. | r | works | Samples of the replication quota.
replication.quota.window.size.seconds | int | 1 | 1.. | r | works | The length of such a sample.
alter.log.dirs.replication.quota.window.num | int | 11 | 1.. | r | works | Samples of the quota of moves between folders.
alter.log.dirs.replication.quota.window.size.seconds | int | 1 | 1.. | r | works | The length of such a sample.
leader.replication.throttled.rate | long | 9223372036854775807 | 0.. | b | works | Bytes a second that leaders send to throttled replicas.
follower.replication.throttled.rate | long | 9223372036854775807 | 0.. | b | works | Bytes a second that throttled followers take.
replica.alter.log.dirs.io.max.bytes.per.second | long | 9223372036854775807 | 0.. | b | works | Bytes a second of moves between folders.

"""

let tuningKeys = """
# Threads and reports: a reactor per core does all of it
num.network.threads | int | 3 | 1.. | c | pointless | Threads that read and write connections.
num.io.threads | int | 8 | 1.. | c | pointless | Threads that carry out requests.
num.replica.fetchers | int | 1 | | c | works | Connections to each leader for the replicas that follow it; read at start.
num.replica.alter.log.dirs.threads | ~int | | | r | works | So many replicas are copied to other folders at once; as many as there are folders if not set.
background.threads | int | 10 | 1.. | c | pointless | Threads for background work.
metric.reporters | list | "" | | c | pointless | Classes that report metrics.
metrics.num.samples | int | 2 | 1.. | r | pointless | Samples of a metric.
metrics.recording.level | string | INFO | INFO,DEBUG,TRACE | r | pointless | How much is measured.
metrics.sample.window.ms | long | 30000 | 1.. | r | pointless | The length of a sample.
auto.include.jmx.reporter | bool | true | | r | pointless | Whether metrics are reported by JMX.
kafka.metrics.polling.interval.secs | int | 10 | 1.. | r | pointless | How often metrics are reported.
kafka.metrics.reporters | list | "" | | r | pointless | Classes that report metrics the old way.
# Ours
martlet.threads | int | 0 | 0..256 | r | works | Event loops; 0 is one per core.
martlet.pool.threads | int | 4 | 1..64 | r | works | Threads for work that blocks.
martlet.disk.reserve.bytes | long | -1 | -1.. | r | works | Below so many free bytes of a disk producers are refused; -1 is the lesser of 5 % of it and 64 MiB.
martlet.open.segments.max | int | 4096 | 1.. | r | works | So many sealed segments are kept open at once; each may have three files mapped.
martlet.disk.throttle.bytes | long | -1 | -1.. | r | works | Below so many free bytes producers are slowed down; -1 is twice the reserve.
"""
