#!/usr/bin/env bash
# Fetches the jars of a real Kafka broker and of its own tools by Maven, for the tests that need one: into the folder
# named by the first argument, or into .cache/kafka/libs of this project. Needs Java 17 or newer and mvn; does nothing
# where the jars are there already.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
libs="${1:-$here/../.cache/kafka/libs}"

is_there() { compgen -G "$libs/$1" > /dev/null; }
if is_there "kafka_*.jar" && is_there "kafka-tools-[0-9]*.jar" && is_there "connect-mirror-[0-9]*.jar"; then
  exit 0
fi
mkdir -p "$libs"
mvn --quiet --batch-mode --file "$here/kafka-jars.pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory="$(cd "$libs" && pwd)" -DincludeScope=runtime
