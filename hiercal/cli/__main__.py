from hiercal.cli import main

main()
