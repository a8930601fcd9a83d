package apachekafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// node is what a broker of a cluster is told of itself and of the others.
type node struct {
	id     int // from 1
	dir    string
	ports  ports
	quorum []ports // of all nodes, by id - 1
	secure *secrets
	extra  map[string]string
}

type ports struct{ broker, controller, client int } // client: of the secure listener

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// properties is the text of the broker's server.properties. extra wins over what is set here.
func properties(n node) string {
	voters := make([]string, len(n.quorum))
	for i, p := range n.quorum {
		voters[i] = fmt.Sprintf("%d@%s", i+1, address(p.controller))
	}
	replicas := min(len(n.quorum), 3)
	set := map[string]string{
		"node.id":                                          fmt.Sprint(n.id),
		"process.roles":                                    "broker,controller",
		"controller.quorum.voters":                         strings.Join(voters, ","),
		"controller.listener.names":                        "CONTROLLER",
		"inter.broker.listener.name":                       "PLAIN",
		"listeners":                                        "PLAIN://" + address(n.ports.broker) + ",CONTROLLER://" + address(n.ports.controller),
		"advertised.listeners":                             "PLAIN://" + address(n.ports.broker),
		"listener.security.protocol.map":                   "PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:SASL_SSL",
		"log.dirs":                                         n.dir + "/data",
		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       fmt.Sprint(replicas),
		"min.insync.replicas":                              fmt.Sprint(max(replicas-1, 1)),
		"offsets.topic.replication.factor":                 fmt.Sprint(replicas),
		"offsets.topic.num.partitions":                     "3",
		"transaction.state.log.replication.factor":         fmt.Sprint(replicas),
		"transaction.state.log.min.isr":                    fmt.Sprint(max(replicas-1, 1)),
		"transaction.state.log.num.partitions":             "3",
		"share.coordinator.state.topic.replication.factor": fmt.Sprint(replicas),
		"share.coordinator.state.topic.min.isr":            fmt.Sprint(max(replicas-1, 1)),
		"group.initial.rebalance.delay.ms":                 "0",
		// What would take minutes in production is a matter of seconds here.
		"log.retention.check.interval.ms":       "500",
		"log.initial.task.delay.ms":             "500",
		"log.segment.delete.delay.ms":           "100",
		"log.cleaner.backoff.ms":                "200",
		"log.cleaner.dedupe.buffer.size":        "2097152",
		"log.cleaner.threads":                   "1",
		"num.network.threads":                   "2",
		"num.io.threads":                        "4",
		"broker.session.timeout.ms":             "3000",
		"broker.heartbeat.interval.ms":          "500",
		"controller.quorum.election.timeout.ms": "500",
		"controller.quorum.fetch.timeout.ms":    "1000",
		"replica.lag.time.max.ms":               "3000",
		"controlled.shutdown.enable":            "true",
		"group.min.session.timeout.ms":          "1000",
	}
	if n.secure != nil {
		set["listeners"] += ",CLIENT://" + address(n.ports.client)
		set["advertised.listeners"] += ",CLIENT://" + address(n.ports.client)
		maps.Copy(set, n.secure.properties())
	}
	maps.Copy(set, n.extra)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&b, "%s=%s\n", k, set[k])
	}
	return b.String()
}

// log4j is the brokers' log4j2 configuration: all that is worth reading after a failure, on standard output.
const log4j = `status=error
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1}: %m%n
logger.config.name=org.apache.kafka.common.config
logger.config.level=warn
logger.server.name=kafka.server.KafkaConfig
logger.server.level=warn
`
