import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.core.metrics.Summary;
import io.prometheus.metrics.exporter.pushgateway.Format;
import io.prometheus.metrics.exporter.pushgateway.PushGateway;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;

/** The official Java client: protobuf unless a step asks for text. Its argument is host:port. */
public final class Push {
    private Push() {}

    public static void main(String[] args) throws IOException {
        Steps.take(step -> {
            PushGateway.Builder builder = PushGateway.builder()
                .address(args[0]).job(step.job).registry(registryOf(step.metrics));
            step.grouping.forEach(builder::groupingKey);
            if (step.text) {
                builder.format(Format.PROMETHEUS_TEXT);
            }
            PushGateway gateway = builder.build();
            switch (step.act) {
                case "push": gateway.push(); break;
                case "add": gateway.pushAdd(); break;
                case "delete": gateway.delete(); break;
                default: throw new AssertionError("cannot " + step.act);
            }
        });
    }

    /** The same metrics as tests/clients/push.py has under the same names. */
    private static PrometheusRegistry registryOf(String name) {
        PrometheusRegistry registry = new PrometheusRegistry();
        switch (name) {
            case "all":
                Counter records = Counter.builder().name("records_total")
                    .help("Records, \\ and all.\nMore.").labelNames("stage", "odd")
                    .register(registry);
                records.labelValues("read", "a\"b\\c\nd").inc(3);
                records.labelValues("wrïte", "").inc(0.1);
                gauge(registry, "last_success", "When.").set(1.7e9);
                Histogram took = Histogram.builder().name("took_seconds").help("How long.")
                    .classicUpperBounds(0.5, 1, 2.5).classicOnly().register(registry);
                took.observe(0.1);
                took.observe(0.7);
                took.observe(9);
                Summary.builder().name("size_bytes").help("How much.").quantile(0.5)
                    .register(registry).observe(4);
                break;
            case "native":
                // Buckets of both kinds, as it is by default.
                Histogram.builder().name("native_seconds").help("How long.")
                    .classicUpperBounds(0.5, 1, 2.5).register(registry).observe(0.7);
                break;
            case "one":
                gauge(registry, "last_success", "When.").set(5);
                break;
            case "other":
                gauge(registry, "other", "Another one.").set(-0.5);
                break;
            case "clash":
                Histogram.builder().name("last_success").help("No.").classicOnly()
                    .register(registry).observe(1);
                break;
            case "instance":
                Gauge.builder().name("of_instance").help("One.").labelNames("instance")
                    .register(registry).labelValues("own").set(1);
                break;
            case "none":
                break;
            default:
                throw new AssertionError("no metrics are called " + name);
        }
        return registry;
    }

    private static Gauge gauge(PrometheusRegistry registry, String name, String help) {
        return Gauge.builder().name(name).help(help).register(registry);
    }
}
