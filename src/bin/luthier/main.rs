fn main() {
    for a in luthier::gpu::adapters() {
        println!("{a:#?}");
    }
}
