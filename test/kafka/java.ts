// biome-ignore lint/performance/noBarrelFile: what imports the old path is being moved
export * from "../../demo/kafka/java.ts";
