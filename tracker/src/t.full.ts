import { auto } from "./auto";
import { start } from "./core";
import { vitals } from "./vitals";

start(auto, vitals);
