import { auto } from "./auto";
import { start } from "./core";

start(auto);
